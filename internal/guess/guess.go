// Package guess finds what a person meant by a name that does not exist.
package guess

// Name is the one of names that is most like name, "" if none is: at most two letters to add, remove or change.
func Name(name string, names []string) string {
	best, limit := "", 3
	for _, n := range names {
		if d := distance(n, name); d < limit {
			best, limit = n, d
		}
	}
	return best
}

// distance is the number of letters to add, remove or change (Levenshtein's).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
