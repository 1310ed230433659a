"""The long tables of the instrument manual."""

SPECIFICATIONS = [
    ("6.1  Measurement", [
        ["Range", "0.8 to 40 m from the flange"], ["Accuracy", "±3 mm from 1.5 to 30 m, ±6 mm beyond"],
        ["Resolution", "1 mm"], ["Frequency", "80 GHz, sweep 4 GHz"], ["Beam angle", "8 degrees"],
        ["Sweeps", "16 per second"], ["Wave height", "0.05 to 12 m, ±5% of reading"]]),
    ("6.2  Electrical", [
        ["Supply voltage", "12 to 30 V DC"], ["Power consumption", "1.9 W on average, 4.8 W while warming up"],
        ["Analogue output", "4–20 mA, fault current 3.6 mA"], ["Digital output", "RS-485, Modbus RTU, up to 32 gauges"],
        ["Log memory", "8 GB: eleven years at six minutes"], ["Clock", "±1 minute a year; lithium cell CR2450"]]),
    ("6.3  Mechanical and environment", [
        ["Housing", "Sea-water-resistant aluminium, anodised"], ["Protection", "IP68, 2 m for 72 hours"],
        ["Weight", "4.3 kg without flange"], ["Flange", "DN 80, stainless steel 316L"],
        ["Operating temperature", "–30 to +60 °C"], ["Wind", "up to 60 m/s"],
        ["Lightning", "10 kA surge on all lines, when earthed"]]),
]

REGISTERS = [
    ["Register", "Name", "Type", "Words", "Unit", "Range", "Access", "Remark"],
    ["30001", "Tide level", "int32", "2", "mm", "–20,000 to 40,000", "read", "Above chart datum, filtered"],
    ["30003", "Raw distance", "uint32", "2", "mm", "800 to 40,000", "read", "Last single echo"],
    ["30005", "Echo strength", "uint16", "1", "dB", "0 to 96", "read", "Below 20: weak echo"],
    ["30006", "State", "uint16", "1", "bits", "0 to 65,535", "read", "Bit 0 warm-up, bit 3 hold, bit 7 error"],
    ["30007", "Error code", "uint16", "1", "–", "0, 101 to 402", "read", "201 stands for E-201"],
    ["30008", "Housing temperature", "int16", "1", "0.1 °C", "–400 to 900", "read", ""],
    ["30009", "Supply voltage", "uint16", "1", "10 mV", "900 to 3,600", "read", ""],
    ["30011", "Time", "uint32", "2", "s", "since 1 Jan 2000", "read", "UTC"],
    ["30013", "Significant wave height", "uint16", "1", "mm", "0 to 12,000", "read", "Over twenty minutes"],
    ["30014", "Wave period", "uint16", "1", "0.1 s", "10 to 300", "read", "Mean zero-crossing period"],
    ["30015", "Highest wave", "uint16", "1", "mm", "0 to 20,000", "read", "In the last hour"],
    ["40001", "Flange above datum", "int32", "2", "mm", "–20,000 to 60,000", "write", "Key switch at II"],
    ["40003", "Zero offset", "int16", "1", "mm", "–500 to 500", "write", "Key switch at II"],
    ["40004", "Filter time", "uint16", "1", "s", "10 to 600", "write", "60 as delivered"],
    ["40005", "Log interval", "uint16", "1", "min", "1 to 60", "write", "6 as delivered"],
    ["40006", "Hold", "uint16", "1", "min", "0 to 120", "write", "Freezes the outputs"],
    ["40010", "Address", "uint16", "1", "–", "1 to 247", "write", "Valid after a restart"],
]
REGISTER_WIDTHS = [54, 132, 48, 44, 48, 112, 50, 204]

ERRORS = [
    ["Code", "Meaning", "What to do"],
    ["E-101", "Supply voltage too low", "Measure at terminals 1 and 2; at least 12 V with the gauge running"],
    ["E-102", "Supply voltage too high", "Disconnect at once; replace the supply unit"],
    ["E-110", "Clock not set", "Change the lithium cell, then set the time under Setup → Clock"],
    ["E-201", "Echo lost", "Brush spider webs and salt from the horn; look for a boat or ice in the beam"],
    ["E-202", "Echo too weak", "Clean the horn; check that it hangs within 0.5 degrees of vertical"],
    ["E-203", "Two strong echoes", "Record a new echo map at low water; move the gauge away from the pile"],
    ["E-204", "Level out of range", "Check the flange height under Setup → Datum"],
    ["E-205", "Level jumps", "More than 0.5 m in a minute: look for a ship's wash, then lengthen the filter"],
    ["E-207", "Condensation in the horn", "Change the desiccant bag BW-1180 and dry the horn with warm air"],
    ["E-208", "Flange is moving", "Tighten the four bolts to 70 Nm; check the bracket for cracks"],
    ["E-220", "Analogue loop open", "Check the wire at terminal 5; load at most 500 ohm"],
    ["E-221", "Modbus line fault", "Swap the wires at terminals 3 and 4; fit the 120 ohm resistor"],
    ["E-230", "Log memory full", "Copy the log to a USB stick, then choose Log → Clear"],
    ["E-301", "Radar module too hot", "Fit the sun shield; if it returns below 40 °C, call service"],
    ["E-302", "Radar module silent", "Restart with the key; if it returns, exchange the module BW-3310"],
    ["E-305", "Calibration lost", "Do not use the levels; send the gauge to the maker"],
    ["E-401", "Program memory", "Load the firmware again from a USB stick"],
    ["E-402", "Wrong firmware", "Load firmware 4.2 or later"],
]
