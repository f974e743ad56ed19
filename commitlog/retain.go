package commitlog

import (
	"os"
)

// removeOld removes segments that the topic's settings do not keep: the oldest first, whole ones, never the active one. The lease is locked.
// A segment's age counts from when the next one began, by the writer's clock, not from its records' times: replayed history is as young as
// its replay.
func (w *Writer) removeOld() {
	s := &w.settings
	if s.RetainAge < 0 && s.RetainBytes == 0 {
		return
	}
	segs, err := w.p.segments()
	if err != nil || len(segs) < 2 {
		return
	}
	sizes, total := make([]int64, len(segs)), int64(0)
	for i, seg := range segs {
		if sizes[i], err = fileSize(w.p, seg); err != nil {
			return
		}
		total += sizes[i]
	}
	now := w.p.log.opt.Clock.Now().UnixMicro()
	for i := 0; i+1 < len(segs) && segs[i] < w.tail.base; i++ {
		began := segmentBegan(w.p, segs[i+1])
		old := s.RetainAge >= 0 && began != 0 && now-began > s.RetainAge.Microseconds()
		if !old && (s.RetainBytes == 0 || total <= s.RetainBytes) {
			return
		}
		if err := os.Remove(segmentPath(w.p.dir, segs[i])); err != nil {
			w.p.log.opt.Log.Warn("segment stays", "topic", w.p.topic, "partition", w.p.num, "error", err)
			return
		}
		total -= sizes[i]
		w.p.forget(segs[i])
		w.p.log.opt.Log.Info("segment removed", "topic", w.p.topic, "partition", w.p.num, "until", segs[i+1], "bytes", sizes[i])
	}
}

func (p *partition) forget(seg int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.index, seg)
}

// segmentBegan is when the first frame of a segment was written, µs; 0: it has none, or none that can be read.
func segmentBegan(p *partition, seg int64) int64 {
	f, err := os.Open(segmentPath(p.dir, seg))
	if err != nil {
		return 0
	}
	defer f.Close()
	var hb [headBytes]byte
	if _, err := f.ReadAt(hb[:], 0); err != nil {
		return 0
	}
	h, err := parseHead(hb[:])
	if err != nil {
		return 0
	}
	return h.written
}
