package decode

import "encoding/binary"

// zulu reads the usual form of RFC 3339, "2024-05-06T07:08:09Z" with or without a fraction of up to nine digits, as microseconds since 1970; what is behind them is cut off. It is false for
// all other forms and for times that do not exist: package time judges those.
func zulu(b []byte) (us int64, ok bool) {
	n := len(b)
	if n < 20 || n > 30 || b[n-1] != 'Z' || n == 21 {
		return 0, false
	}
	if b[4] != '-' || b[7] != '-' || b[10] != 'T' || b[13] != ':' || b[16] != ':' || n > 20 && b[19] != '.' {
		return 0, false
	}
	var d [16]byte
	copy(d[0:4], b[0:4])
	d[4], d[5], d[6], d[7] = b[5], b[6], b[8], b[9]
	d[8], d[9], d[10], d[11], d[12], d[13], d[14], d[15] = '0', '0', b[11], b[12], b[14], b[15], b[17], b[18]
	date, clock := binary.LittleEndian.Uint64(d[:8]), binary.LittleEndian.Uint64(d[8:])
	if digitsOf(date) < 8 || digitsOf(clock) < 8 {
		return 0, false
	}
	ymd, hms := fromEight(date), fromEight(clock)
	year, month, day := ymd/10000, ymd/100%100, ymd%100
	hour, minute, second := hms/10000, hms/100%100, hms%100
	if month < 1 || month > 12 || day < 1 || day > 28 && day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	scale, frac := int64(100_000), int64(0)
	for i := 20; i < n-1; i++ {
		c := b[i] - '0'
		if c > 9 {
			return 0, false
		}
		frac, scale = frac+int64(c)*scale, scale/10
	}
	return ((civilDays(year, month, day)*24+hour)*60+minute)*60_000_000 + second*1_000_000 + frac, true
}

// daysIn is how many days a month has.
func daysIn(year, month int64) int64 {
	switch {
	case month == 2 && year%4 == 0 && (year%100 != 0 || year%400 == 0):
		return 29
	case month == 2:
		return 28
	}
	return 30 + (month+month>>3)&1
}

// civilDays is how many days lie between 1 January 1970 and a date of the Gregorian calendar. Years begin in March here, so that a leap day is the last; see Howard Hinnant,
// "chrono-Compatible Low-Level Date Algorithms".
func civilDays(year, month, day int64) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	inYear := (153*(month-3)+2)/5 + day - 1
	return year*365 + floorDiv(year, 4) - floorDiv(year, 100) + floorDiv(year, 400) + inYear - 719468
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
