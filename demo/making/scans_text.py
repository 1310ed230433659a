"""The words of the documents that hold no text layer."""

LETTER_ADDRESS = ["Skerrin Ferries Cooperative", "For the attention of Mr T. Vance", "1 Pier Road", "Skerrin"]
LETTER_SUBJECT = "Linkspan at Ness Isle: cracked hinge pin and works in November"
LETTER = [[
    "Dear Mr Vance,",
    "I write about the linkspan at Ness Isle. On 4 March our diver, Mr Alder, inspected the seaward hinge at low water and "
    "found a crack 38 millimetres long in the eastern hinge pin. The western pin is sound. The engineer has "
    "therefore lowered the permitted load from 44 tonnes to 26 tonnes with immediate effect.",
    "In practice your crews may bring ashore cars, vans and the school bus, but not the cattle float, the fuel tanker or "
    "any lorry with more than two axles. One vehicle at a time, please, and at walking pace. I have put a sign at the "
    "head of the pier and a watchman, Mr Moar, beside it.",
    "The pins must be forged to order. The works at Port Tarrow have quoted £67,400 for the pair, and ask for "
    "fourteen weeks. The Trust will pay two thirds of this sum; under clause 9 of the berthing agreement "
    "the remaining third, £22,467, falls to the Cooperative. Kindly confirm that you accept this before 31 March.",
    "To change the pins the linkspan has to be lifted off by a floating crane. The crane is free in the first three weeks of "
    "November only. I know that these are the weeks of the lamb sales, and I am sorry for it.",
], [
    "The order of works would be as follows.",
    [["Work", "Begins", "Days"], ["Crane arrives, span lifted", "3 November", "2"], ["Old pins bored out", "5 November", "6"],
     ["New pins fitted, grouted", "11 November", "7"], ["Span lowered, load test", "18 November", "4"]],
    "During these nineteen days no vehicle can be landed. Foot passengers could use the old stone steps on the "
    "north side at half tide or above, provided that the swell is below 0.8 metres and two of your crew stand "
    "on the steps with a line. Mrs Moar of the shop has offered the use of her hand carts for luggage.",
    "I propose that we meet on the pier with your marine superintendent on Thursday 27 March at 10:30, at low water, "
    "so that everyone sees the hinge with his own eyes. There will be soup.",
    "One further matter. The lamp on the outer dolphin has been dark since the gale of 22 February. The spare is "
    "in your store at Skerrin; please send it with the next boat.",
]]

RECEIPT_HEAD = ["THE TARROW GALLEY", "on board MV Tarrow Lass", "Skerrin Ferries Cooperative", "VAT no. GB 555 0124 11"]
RECEIPT = [("-", ""), ("19/07/2025  12:46", "Till 2"), ("Served by Inga", "No. 004871"), ("-", ""),
           ("2 Fish soup", "13.80"), ("1 Haddock & chips", "11.95"), ("1 Crab sandwich", "8.40"), ("3 Tea, pot", "7.50"),
           ("1 Rhubarb crumble", "5.25"), ("1 Island ginger beer", "3.10"), ("-", ""), ("Sum", "50.00"),
           ("Islander card 10%", "-5.00"), ("TOTAL", "GBP 45.00"), ("-", ""), ("Card ****4410", "45.00"), ("of which VAT 20%", "7.50")]
RECEIPT_FOOT = ["Thank you and fair winds", "Keep this slip: a free refill", "of tea until Port Tarrow"]

NAVY, INK = (18, 52, 77), (34, 41, 47)
NOTICE_HEAD = [("Ness Isle linkspan", ("sans-bold", 70), NAVY), ("3 to 21 November 2025", ("sans-bold", 56), (200, 85, 61)),
               ("No cars, vans or lorries can be landed.", ("sans", 42), INK)]
NOTICE_ROWS = [("Foot passengers", "by the stone steps, at half tide"), ("Cars", "leave them at Port Tarrow, free"),
               ("Livestock", "by barge, Tuesdays at 06:15"), ("Parcels, shop", "as usual, by hand cart")]
NOTICE = ["Please be at the steps fifteen minutes before sailing. Wear shoes that grip: the steps are wet.",
          "When the swell is above 0.8 metres there is no landing. Ask the tide line on 0555 0140 77, or look at the board "
          "in the shop window.",
          "Wheelchair users: call us a day before, and the pilot boat will take you to the slip at Sandwick."]

FAX = [[
    "# VANE SOUND FISH CO.", "Holm Vane", "", "*To:    Skerrin Ferries, freight desk", "*From:  Liv Mathieson", "*Date:  12 May 2025",
    "*Pages: 2, this one included", "", "*SUBJECT: REEFER SPACE, WEEKS 21 TO 24", "", "Dear Kristin,", "",
    "the phone is down again, hence the fax.", "", "We need room for two refrigerated trailers,",
    "13.6 metres each, on the Monday and Thursday", "sailings at 17:20 from Holm Vane, from", "19 May until 12 June.", "",
    "Each trailer needs a socket: 400 V, 32 A.", "Last week one socket on the Aldersay was", "dead, and 900 kg of langoustines went",
    "up to 9 degrees. Please have it mended", "before the 19th.", "", "Prices as agreed in January, I take it:", "£212 for each trailer and crossing.",
], [
    "# Loads expected", "", "*Week  Day       Trailer   Goods         Tonnes", "21    Monday    VS-104    langoustine     6.5",
    "21    Thursday  VS-104    langoustine     7.0", "21    Thursday  VS-107    salmon         14.2", "22    Monday    VS-107    salmon         15.0",
    "22    Thursday  VS-104    brown crab      8.8", "23    Monday    VS-104    langoustine     6.0", "23    Thursday  VS-107    salmon         16.4",
    "24    Monday    VS-104    brown crab      9.1", "24    Thursday  VS-107    salmon         15.7", "", "*Sum                                     98.7", "",
    "Dangerous goods: dry ice, UN 1845, 40 kg", "in each trailer. The drivers are Per and", "Magnus; both have deck passes.", "",
    "Please answer by fax or send word with", "the skipper of the Kittiwake.", "", "Kind regards,",
]]
