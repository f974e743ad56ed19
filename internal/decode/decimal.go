package decode

import (
	"fmt"
	"unsafe"

	"github.com/millrace/millrace/internal/decimal"
)

// decimal reads a decimal from a number, or from one within a string, as programs write them that do not trust readers with so many digits. It is exact: there is no float in
// between, and what the column's form does not hold is refused.
func (d *JSONDecoder) decimal(s text, n *node, dst unsafe.Pointer, i int) int {
	start, quoted := i, s.at(i) == '"'
	if quoted {
		i++
	}
	j, _ := s.number(i)
	if j == i {
		return d.fail(start, "want a number, within a string or not, found "+found(s, start))
	}
	num, fit := n.form.Read(s.str(i, j))
	if quoted {
		if s.at(j) != '"' {
			return d.fail(start, "want a string that holds nothing but a number")
		}
		j++
	}
	switch fit {
	case decimal.TooFine:
		return d.fail(start, fmt.Sprintf("more than %d digits behind the point", n.form.Scale))
	case decimal.TooLarge:
		return d.fail(start, fmt.Sprintf("more than %d digits before the point", n.form.Digits-n.form.Scale))
	}
	*(*decimal.Dec)(dst) = decimal.Dec{Num: num}
	return j
}
