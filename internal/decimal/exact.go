package decimal

import (
	"fmt"
	"math"
)

// Form is what decimals of a column look like: how many digits they have, and how many of these stand behind the point.
type Form struct{ Digits, Scale int }

// ParseForm reads a form as tags have it: "18,2".
func ParseForm(text string) (f Form, ok bool) {
	n, err := fmt.Sscanf(text, "%d,%d", &f.Digits, &f.Scale)
	if err != nil || n != 2 || text != f.String() || f.Digits < 1 || f.Digits > MaxDigits || f.Scale < 0 || f.Scale > f.Digits {
		return Form{}, false
	}
	return f, true
}

func (f Form) String() string { return fmt.Sprintf("%d,%d", f.Digits, f.Scale) }

// Fit says whether a number is one of a form.
type Fit uint8

// What a number is for a form.
const (
	Exact    Fit = iota // one of it
	TooFine             // digits other than zeros are left behind those that it has behind the point
	TooLarge            // more digits before the point than it has
)

// Read is the number of a form that a text is, exactly: nothing is rounded, and zeros behind the last digit do not count. The text must be a number as JSON has them: digits with an
// optional minus sign, point and exponent.
func (f Form) Read(s string) (Num, Fit) {
	neg := s != "" && s[0] == '-'
	if neg {
		s = s[1:]
	}
	// Digits are counted from the first one that is no zero to the last: value = digits × 10^(before − count).
	var m magnitude
	count, zeros := 0, 0 // digits in m; zeros behind them that wait for another digit
	before, point := 0, false
	i := 0
	for ; i < len(s); i++ {
		c := s[i]
		if c == '.' {
			point = true
			continue
		}
		if c-'0' > 9 {
			break
		}
		if !point && (count > 0 || c != '0') {
			before++
		}
		switch {
		case c == '0' && count > 0:
			zeros++
		case c == '0':
			if point {
				before-- // the first digit is one place further behind the point
			}
		default:
			for ; zeros > 0 && count <= MaxDigits; zeros-- {
				m, count = m.append('0'), count+1
			}
			count += zeros + 1
			if zeros = 0; count <= MaxDigits {
				m = m.append(c)
			}
		}
	}
	if count == 0 {
		return Num{}, Exact
	}
	before += exponentOf(s[i:])
	switch last := count - before; { // digits behind the point
	case before > f.Digits-f.Scale:
		return Num{}, TooLarge
	case last > f.Scale:
		return Num{}, TooFine
	default:
		m, _ = m.times(powers[f.Scale-last])
	}
	n, _ := signed(m, neg)
	return n, Exact
}

// exponentOf reads "e12"; what is far beyond all forms is brought near.
func exponentOf(s string) (n int) {
	if s == "" {
		return 0
	}
	s = s[1:]
	neg := s[0] == '-'
	if neg || s[0] == '+' {
		s = s[1:]
	}
	for i := 0; i < len(s) && n < math.MaxInt32; i++ {
		n = n*10 + int(s[i]-'0')
	}
	if neg {
		return -n
	}
	return n
}
