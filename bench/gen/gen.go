// Package gen makes the data sets that bench/WORKLOADS.md defines: the same fields, distributions and bytes for every engine, deterministic
// from a seed.
package gen

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"strconv"
)

// Seed is that of all data that is measured with.
const Seed = 1

// Sizes of the data sets' populations.
const (
	Vocabulary = 100_000 // words of lines
	Users      = 100_000 // users of ads
	Pages      = 1_000   // pages of ads
	Ads        = 1_000   // ads, of which every ten make a campaign
	Campaigns  = 100
	Viewers    = 1_000_000 // viewers of profiles and page views

	zipfS = 1.1
	// TimeBase is the first event time of a run that is not paced, in ms since 1970; PerMilli is how many events fall in one ms of event time.
	TimeBase = 1_700_000_000_000
	PerMilli = 100
)

// Maker makes record i with event time ms; records are made in order. The slices are new for each record.
type Maker func(i int, ms int64) (key, val []byte)

// New is the maker of the data set "lines", "ads", "profiles" or "pageviews".
func New(data string, seed uint64) (Maker, error) {
	r := rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))
	switch data {
	case "lines":
		return lines(r), nil
	case "ads":
		return ads(r), nil
	case "profiles":
		return profiles(r), nil
	case "pageviews":
		return pageviews(r), nil
	}
	return nil, fmt.Errorf("no data set %q: there are lines, ads, profiles and pageviews", data)
}

// EventMillis is the event time of record i of a run that is not paced.
func EventMillis(i int) int64 { return TimeBase + int64(i)/PerMilli }

// CampaignOf is the static table of W4: ad to campaign, 1,000 rows.
func CampaignOf() map[string]string {
	m := make(map[string]string, Ads)
	for i := range Ads {
		m[uuid('a', i)] = uuid('c', i/(Ads/Campaigns))
	}
	return m
}

// uuid n of a kind is fixed, whatever the seed, so that every engine has the same table.
func uuid(kind byte, n int) string {
	r := rand.New(rand.NewPCG(uint64(kind), uint64(n)))
	a, b := r.Uint64(), r.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", uint32(a>>32), uint16(a>>16), a&0xfff, 0x8000|uint16(b>>48)&0x3fff, b&0xffffffffffff)
}

func uuids(kind byte, n int) []string {
	s := make([]string, n)
	for i := range s {
		s[i] = uuid(kind, i)
	}
	return s
}

var (
	adTypes    = []string{"banner", "modal", "sponsored-search", "mail", "mobile"}
	eventTypes = []string{"view", "click", "purchase"}
	industries = []string{"software", "finance", "health", "retail", "energy", "education", "media", "transport", "law", "farming"}
	firstNames = []string{"Ada", "Alan", "Grace", "Edsger", "Barbara", "Donald", "Leslie", "Tony", "Frances", "John", "Niklaus", "Robin", "Radia", "Ken", "Dennis", "Lynn"}
	lastNames  = []string{"Lovelace", "Turing", "Hopper", "Dijkstra", "Liskov", "Knuth", "Lamport", "Hoare", "Allen", "Backus", "Wirth", "Milner", "Perlman", "Thompson", "Ritchie", "Conway"}
)

// zipf draws 0..n-1 with P(k) proportional to 1/(k+1)^s, by the inverse of the sum.
type zipf struct{ cum []float64 }

func newZipf(n int, s float64) *zipf {
	c, t := make([]float64, n), 0.0
	for i := range c {
		t += math.Pow(float64(i+1), -s)
		c[i] = t
	}
	for i := range c {
		c[i] /= t
	}
	return &zipf{c}
}

func (z *zipf) draw(r *rand.Rand) int {
	return min(sort.SearchFloat64s(z.cum, r.Float64()), len(z.cum)-1)
}

func lines(r *rand.Rand) Maker {
	z := newZipf(Vocabulary, zipfS)
	return func(int, int64) ([]byte, []byte) {
		b := make([]byte, 0, 72)
		for w := range 10 {
			if w > 0 {
				b = append(b, ' ')
			}
			b = append(b, 'w')
			b = strconv.AppendInt(b, int64(z.draw(r)), 10)
		}
		return nil, b
	}
}

func ads(r *rand.Rand) Maker {
	us, ps, as := uuids('u', Users), uuids('p', Pages), uuids('a', Ads)
	return func(_ int, ms int64) ([]byte, []byte) {
		b := make([]byte, 0, 280)
		field := func(name, val string) {
			b = append(append(append(append(b, name...), `":"`...), val...), `","`...)
		}
		b = append(b, `{"`...)
		field("user_id", us[r.IntN(Users)])
		field("page_id", ps[r.IntN(Pages)])
		field("ad_id", as[r.IntN(Ads)])
		field("ad_type", adTypes[r.IntN(len(adTypes))])
		field("event_type", eventTypes[r.IntN(len(eventTypes))])
		b = append(b, `event_time":"`...)
		b = strconv.AppendInt(b, ms, 10)
		b = append(b, `","ip_address":"10`...)
		for range 3 {
			b = append(b, '.')
			b = strconv.AppendInt(b, int64(r.IntN(256)), 10)
		}
		return nil, append(b, `"}`...)
	}
}

// profiles gives every viewer once, in a shuffled order; past 1,000,000 it goes round again with a higher version.
func profiles(r *rand.Rand) Maker {
	perm := r.Perm(Viewers)
	return func(i int, _ int64) ([]byte, []byte) {
		key := strconv.AppendInt(nil, int64(perm[i%Viewers]), 10)
		b := make([]byte, 0, 112)
		b = append(append(b, `{"viewer_id":`...), key...)
		b = append(append(b, `,"name":"`...), firstNames[r.IntN(16)]...)
		b = append(append(b, ' '), lastNames[r.IntN(16)]...)
		b = strconv.AppendUint(append(b, ' '), r.Uint64()>>24, 36)
		b = append(append(b, `","industry":"`...), industries[r.IntN(len(industries))]...)
		b = strconv.AppendInt(append(b, `","version":`...), int64(1+i/Viewers), 10)
		return key, append(b, '}')
	}
}

func pageviews(r *rand.Rand) Maker {
	return func(_ int, ms int64) ([]byte, []byte) {
		key := strconv.AppendInt(nil, int64(r.IntN(Viewers)), 10)
		b := make([]byte, 0, 160)
		b = strconv.AppendInt(append(b, `{"event_time":`...), ms, 10)
		b = append(append(b, `,"viewer_id":`...), key...)
		b = strconv.AppendInt(append(b, `,"page":"/section/`...), int64(r.IntN(100)), 10)
		b = strconv.AppendInt(append(b, `/article/`...), int64(r.IntN(100_000)), 10)
		b = strconv.AppendInt(append(b, `","referrer":"https://ref`...), int64(r.IntN(1000)), 10)
		return key, append(b, `.example.com/path"}`...)
	}
}
