package decode

// skip checks the value at i, whatever it is, and is the index behind it. It is as strict as reading.
func (d *JSONDecoder) skip(s text, i int) int {
	switch c := s.at(i); c {
	case '"':
		if j := s.plain(i + 1); j < s.n && s.byte(j) == '"' {
			return j + 1
		}
		_, j := d.text(s, i)
		return j
	case '{':
		return d.skipNested(s, i, braces)
	case '[':
		return d.skipNested(s, i, brackets)
	case 't':
		if s.literal(i, "true") {
			return i + 4
		}
	case 'f':
		if s.literal(i, "false") {
			return i + 5
		}
	case 'n':
		if s.literal(i, "null") {
			return i + 4
		}
	default:
		if j, _ := s.number(i); j > i {
			return j
		}
	}
	return d.fail(i, "want a value, found "+found(s, i))
}

// skipNested checks the array or object at i.
func (d *JSONDecoder) skipNested(s text, i int, f *fence) int {
	if d.depth++; d.depth > maxDepth {
		return d.fail(i, "nested too deep")
	}
	for k := 0; ; k++ {
		var more bool
		if i, more = d.item(s, i, k, f); !more {
			d.depth--
			return i
		}
		if f == braces {
			if _, i = d.name(s, i); i < 0 {
				return -1
			}
		}
		if i = d.skip(s, i); i < 0 {
			return -1
		}
	}
}
