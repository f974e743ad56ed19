package expr

// Column is the column that e hands on as it is, whatever it names the result; ok is false if e computes something.
func (e Expr) Column() (name string, ok bool) {
	for e.n != nil && e.n.op == "as" {
		e = e.n.args[0]
	}
	if e.n == nil || e.n.op != "col" {
		return "", false
	}
	return e.n.name, true
}
