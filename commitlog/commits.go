package commitlog

import "os"

// Commit is one commit of a partition: the records of [First, Next), which became visible together, and their marker.
type Commit struct {
	First, Next int64
	Marker      []byte // nil where the writer gave none
}

// Commits lists the commits of partition p that can be read now, oldest first: what was written when, for checks and tools. It reads every frame.
// Compaction keeps a commit's marker only where its frame survives.
func (t *Topic) Commits(p int) ([]Commit, error) {
	part, err := t.readable(p)
	if err != nil {
		return nil, err
	}
	d, err := part.durableEnd()
	if err != nil {
		return nil, err
	}
	segs, err := part.segments()
	if err != nil {
		return nil, err
	}
	var list []Commit
	for _, seg := range segs {
		if seg > d.seg {
			break
		}
		if list, err = part.commitsOf(seg, d, list); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// commitsOf appends the commits of one segment; none goes from one segment into the next.
func (p *partition) commitsOf(seg int64, d durable, list []Commit) ([]Commit, error) {
	file, limit, err := p.openSegment(seg, d)
	if err != nil {
		return nil, p.wrap(err)
	}
	defer func(f *os.File) { _ = f.Close() }(file)
	open := false
	for pos, base := int64(0), seg; pos < limit; {
		b, err := readFrame(file, pos, limit)
		if err != nil {
			return nil, p.damaged(base, seg, pos, err)
		}
		h, err := parseFrame(b)
		if err != nil {
			return nil, p.damaged(base, seg, pos, err)
		}
		if !open {
			list = append(list, Commit{First: h.base})
		}
		c := &list[len(list)-1]
		c.Next, open = h.next(), h.more()
		if h.marker > 0 {
			c.Marker = append([]byte(nil), markerOf(&h, b)...)
		}
		pos, base = pos+h.total(), h.next()
	}
	return list, nil
}
