"""The figures of the annual report, in one place so that tables, charts and sums agree. Money is in thousands of pounds."""

YEAR, LAST = "2024/25", "2023/24"

# route, passengers last year, passengers, vehicles last year, vehicles
ROUTES = [
    ("Skerrin – Aldersay", 412_300, 431_870, 94_110, 98_240),
    ("Aldersay – Holm Vane", 188_400, 201_950, 39_020, 41_615),
    ("Skerrin – Port Tarrow", 296_150, 289_420, 74_455, 72_380),
    ("Port Tarrow – Ness Isle", 74_900, 81_315, 11_730, 12_905),
    ("Seabird cruises", 21_600, 24_930, 0, 0),
]

MONTHS = ["Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb", "Mar"]
ON_TIME = [97.1, 97.8, 98.2, 97.9, 97.4, 96.8, 94.2, 91.6, 89.3, 87.9, 90.7, 94.5]
ON_TIME_LAST = [96.4, 97.0, 97.5, 97.2, 96.6, 95.9, 93.0, 90.1, 86.2, 85.4, 89.2, 93.3]

SAILINGS = 18_642
CANCELLED = [("Weather: wind or swell above limits", 418, 502), ("Technical fault on board", 96, 133),
             ("Tide or berth not available", 57, 61), ("Crew not available", 31, 48), ("Other", 9, 14)]

# name, built, length, passengers, cars, service speed
FLEET = [
    ("MV Saint Orla", "2024", "84.2 m", "450", "72", "16.5 kn", "Hybrid diesel-electric"),
    ("MV Aldersay", "2009", "78.9 m", "420", "65", "16.0 kn", "Diesel"),
    ("MV Tarrow Lass", "1998", "71.5 m", "380", "54", "15.0 kn", "Diesel"),
    ("MV Holm Ranger", "1987", "48.3 m", "195", "22", "12.5 kn", "Diesel"),
    ("MV Kittiwake", "2003", "31.0 m", "120", "–", "14.0 kn", "Diesel"),
]

FUEL_YEARS = ["2020/21", "2021/22", "2022/23", "2023/24", "2024/25"]
FUEL_TONNES = [7_480, 7_310, 7_125, 6_870, 6_205]
CO2_PER_TONNE = 3.206

INCOME = [("Passenger fares", 9_842, 9_318), ("Vehicle fares", 7_316, 7_042), ("Freight", 4_105, 3_986),
          ("Public service contract", 11_480, 11_215), ("Shops and galleys", 1_287, 1_164)]
COSTS = [("Crew and staff", 12_910, 12_405), ("Fuel", 4_344, 4_947), ("Maintenance and dry dock", 5_388, 5_120),
         ("Port and pier dues", 2_656, 2_570), ("Depreciation", 3_472, 3_188), ("Insurance", 1_190, 1_145),
         ("Administration", 1_615, 1_560)]
FINANCE, TAX = (612, 655), (351, 216)

FIXED = [("Vessels", 58_420, 55_104), ("Piers and property", 7_915, 7_702), ("Equipment", 2_206, 1_988)]
CURRENT = [("Stock and spares", 684, 641), ("Debtors", 2_917, 2_755), ("Cash at bank", 6_338, 5_871)]
CREDITORS, LOANS, GRANTS = (5_212, 4_986), (21_450, 23_100), (18_960, 14_700)
RESERVES = [("Members' shares", 4_120, 4_029), ("Revaluation reserve", 6_304, 6_304), ("General reserve", 22_434, 20_942)]

STAFF = [("Deck and bridge", 124), ("Passenger services", 72), ("Engine room", 61), ("Piers", 38), ("Office", 23)]


def total(lines, column):
    return sum(line[column] for line in lines)


def net_assets(k):
    return total(FIXED, k + 1) + total(CURRENT, k + 1) - CREDITORS[k] - LOANS[k] - GRANTS[k]


assert all(net_assets(k) == total(RESERVES, k + 1) for k in (0, 1)), "the balance sheet does not balance"
