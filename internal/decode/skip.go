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
	case '{', '[':
		return d.skipNested(s, i, c+2) // ']' and '}' come two behind their openings
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

// skipNested checks the object or array at i, which ends with the byte end.
func (d *JSONDecoder) skipNested(s text, i int, end byte) int {
	if d.depth++; d.depth > maxDepth {
		return d.fail(i, "nested too deep")
	}
	for first := true; ; first = false {
		i = s.space(i)
		if c := s.at(i); !first {
			if c == end {
				break
			}
			if c != ',' {
				return d.fail(i, "want ',' or '"+string(rune(end))+"'")
			}
		}
		i = s.space(i + 1)
		if first && s.at(i) == end {
			break
		}
		if end == '}' {
			if _, i = d.name(s, i); i < 0 {
				return -1
			}
		}
		if i = d.skip(s, i); i < 0 {
			return -1
		}
	}
	d.depth--
	return i + 1
}
