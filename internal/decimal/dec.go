package decimal

// Dec is a decimal as a field of a row. Its tag says how many digits there are, and how many of them stand behind the point:
//
//	Price expr.Dec `decimal:"18,2"`
//
// The value itself is an integer of the last of these digits: 1234 is 12.34.
type Dec struct{ Num }

// ParseDec is the decimal that a text is at a scale, rounded half away from zero; false if it is none, or has more than 38 digits.
func ParseDec(s string, scale int) (Dec, bool) {
	n, ok := Parse(s, scale)
	return Dec{n}, ok
}

// Text is d with so many digits behind the point.
func (d Dec) Text(scale int) string { return Text(d.Num, scale) }
