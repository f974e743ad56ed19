package sink

import (
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// plain tells which ASCII bytes stand for themselves in a JSON string.
var plain = func() (t [256]bool) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// plainLen is how many bytes at the beginning of s stand for themselves in a JSON string, eight at a time.
func plainLen[S string | []byte](s S) int {
	const each, high = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(s); i += 8 {
		w := s[i : i+8]
		x := uint64(w[0]) | uint64(w[1])<<8 | uint64(w[2])<<16 | uint64(w[3])<<24 | uint64(w[4])<<32 | uint64(w[5])<<40 | uint64(w[6])<<48 | uint64(w[7])<<56
		if (x|(x-each*0x20)|((x^each*'"')-each)|((x^each*'\\')-each))&high != 0 {
			break // or a byte behind one of them: the next loop looks
		}
	}
	for i < len(s) && plain[s[i]] {
		i++
	}
	return i
}

// appendString appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD.
func appendString[S string | []byte](dst []byte, s S) []byte {
	dst = append(dst, '"')
	done, i := 0, 0
	for {
		if i += plainLen(s[i:]); i == len(s) {
			dst = append(dst, s[done:]...)
			return append(dst, '"')
		}
		b := s[i]
		if b >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(string(s[i:min(len(s), i+utf8.UTFMax)]))
			if r == utf8.RuneError && size == 1 {
				dst = append(dst, s[done:i]...)
				dst = append(dst, "\uFFFD"...)
				done = i + 1
			}
			i += size
			continue
		}
		dst = append(dst, s[done:i]...)
		dst = appendEscape(dst, b)
		i++
		done = i
	}
}

func appendEscape(dst []byte, b byte) []byte {
	switch b {
	case '"', '\\':
		return append(dst, '\\', b)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&15])
}

// appendFloat appends f as encoding/json does. What JSON has no word for is null; as text it is NaN, +Inf or -Inf.
func appendFloat(dst []byte, f float64, bits int, text bool) []byte {
	if !text && (math.IsNaN(f) || math.IsInf(f, 0)) {
		return append(dst, "null"...)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (bits == 64 && (abs < 1e-6 || abs >= 1e21) || bits == 32 && (float32(abs) < 1e-6 || float32(abs) >= 1e21)) {
		format = 'e'
	}
	dst = strconv.AppendFloat(dst, f, format, -1, bits)
	if n := len(dst); format == 'e' && n >= 4 && dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1] // e-09 is written e-9
		dst = dst[:n-1]
	}
	return dst
}

// secondsADay is how long a day is in UTC.
const secondsADay = 24 * 60 * 60

// appendSecond appends a second since 1970 as 2006-01-02T15:04:05. Years of four digits are computed here: rows have many times, and time's formats read their layout each time.
func appendSecond(dst []byte, sec int64) []byte {
	const first, last = -62_135_596_800, 253_402_300_799 // the years 1 to 9999
	if sec < first || sec > last {
		return time.Unix(sec, 0).UTC().AppendFormat(dst, "2006-01-02T15:04:05")
	}
	day, rest := sec/secondsADay, sec%secondsADay
	if rest < 0 {
		day, rest = day-1, rest+secondsADay
	}
	y, m, d := civil(uint32(day + 719_468))
	dst = append(dst, "0000-00-00T00:00:00"...)
	b := dst[len(dst)-19:]
	putTwo(b, y/100)
	putTwo(b[2:], y%100)
	putTwo(b[5:], m)
	putTwo(b[8:], d)
	s := uint32(rest)
	putTwo(b[11:], s/3600)
	putTwo(b[14:], s/60%60)
	putTwo(b[17:], s%60)
	return dst
}

// appendMicros appends a part of a second as .000000.
func appendMicros(dst []byte, us uint32) []byte {
	dst = append(dst, ".000000"...)
	b := dst[len(dst)-6:]
	putTwo(b, us/10_000)
	putTwo(b[2:], us/100%100)
	putTwo(b[4:], us%100)
	return dst
}

// putTwo writes a number below 100.
func putTwo(b []byte, v uint32) { b[0], b[1] = byte('0'+v/10), byte('0'+v%10) }

// civil is the date of a day since 1 March of the year 0. It counts years from March on, so that the leap day is their last, in eras of 400 years.
func civil(day uint32) (year, month, date uint32) {
	const era = 146_097 // days
	in := day % era
	y := (in - in/1460 + in/36524 - in/146096) / 365
	in -= 365*y + y/4 - y/100
	m := (5*in + 2) / 153 // from March
	year, month, date = day/era*400+y, m+3, in-(153*m+2)/5+1
	if month > 12 {
		year, month = year+1, month-12
	}
	return year, month, date
}

// appendTime appends a time of perSecond units since 1970 as 2006-01-02T15:04:05.000000Z; in JSON within quotes.
func appendTime(dst []byte, v, perSecond int64, text bool) []byte {
	if !text {
		dst = append(dst, '"')
	}
	sec, rest := v/perSecond, v%perSecond
	if rest < 0 {
		sec, rest = sec-1, rest+perSecond
	}
	dst = appendSecond(dst, sec)
	dst = append(appendMicros(dst, uint32(rest*(1e9/perSecond)/1000)), 'Z')
	if !text {
		dst = append(dst, '"')
	}
	return dst
}
