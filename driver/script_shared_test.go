package driver

import (
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/rdd"
)

// scriptShared reads the options of "new" about shared values:
//
//	accumulator=name or name*   a sum of integers, or with a star of floats
//	total=N                     its total in the checkpoint
//	broadcasts=a,b
//	pins=a:2:h                  version and hash in every recovered plan
//	gone=yes                    the bytes of those are not there any more
func scriptShared(o map[string]string, u *setup) {
	if v, ok := o["accumulator"]; ok {
		name, kind := strings.TrimSuffix(v, "*"), rdd.SumInt
		if name != v {
			kind = rdd.SumFloat
		}
		u.shape.accumulators = []accumulatorShape{{name, kind}}
		if t, ok := o["total"]; ok {
			u.recovered.Totals = []checkpoint.Total{{Name: name, Kind: kind.String(), Amount: scriptAmount(kind, t).Amount}}
		}
	}
	if v, ok := o["broadcasts"]; ok {
		u.shape.broadcasts = strings.Split(v, ",")
	}
	if v, ok := o["pins"]; ok {
		var pins []checkpoint.Pin
		for _, p := range strings.Split(v, ",") {
			f := strings.Split(p, ":")
			pins = append(pins, checkpoint.Pin{Name: f[0], Version: num(f[1]), Hash: []byte(f[2])})
			if o["gone"] != "yes" {
				u.versions = append(u.versions, versionID{f[0], f[2]})
			}
		}
		pin := func(p *checkpoint.Plan) { p.Broadcasts = pins; p.Hash = planHash(p) }
		for i := range u.recovered.Planned {
			pin(&u.recovered.Planned[i])
		}
		if p := u.recovered.Last; p != nil {
			pin(p)
		}
	}
}

func scriptAmount(kind rdd.AccumulatorKind, text string) rdd.Delta {
	if kind.Float() {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			panic(err)
		}
		return rdd.Delta{Amount: rdd.Amount{Float: f, Set: true}}
	}
	return rdd.Delta{Amount: rdd.Amount{Int: num(text), Set: true}}
}

func (s *script) broadcast(name string) int {
	i := slices.Index(s.m.shape.broadcasts, name)
	if i < 0 {
		s.t.Fatalf("there is no broadcast %q", name)
	}
	return i
}
