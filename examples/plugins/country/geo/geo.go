// Package geo says which country an address of the internet is in, as an operator on rows.
//
// Its table is made up: the ranges are pieces of the networks that are set aside for documentation and benchmarks (RFC 5737, 3849, 9637, 2544, 5180), and the
// countries have codes that no country has (ISO 3166 leaves QM to QZ and XA to XZ to users). A real table has the same form: first and last address, code.
package geo

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"fmt"
	"net/netip"
	"slices"
	"sort"

	"github.com/millrace/millrace/plugins"
)

//go:embed ranges.csv
var made []byte

// Hit is a row that comes in: its address, and nothing else of it is read.
type Hit struct {
	IP string `arrow:"ip"`
}

// Place is what a row gets.
type Place struct {
	Country string
}

// Config is JSON: {"unknown": "ZZ"}.
type Config struct {
	Unknown string `json:"unknown"` // country of addresses that are in no range, and of texts that are no address; "": ZZ
}

// Country adds the column "country" to rows with a column "ip", which is an IPv4 or IPv6 address in text.
var Country = plugins.Configured("country", func(c Config) (plugins.Operator, error) {
	if c.Unknown == "" {
		c.Unknown = "ZZ"
	}
	table, err := Parse(made)
	if err != nil {
		return plugins.Operator{}, err
	}
	return plugins.With("country", func(h Hit) Place {
		if country, ok := table.Lookup(h.IP); ok {
			return Place{country}
		}
		return Place{c.Unknown}
	}).WithDoc("adds the country of the address in column ip"), nil
})

// Table is ranges of addresses, in order. It does not change, and may be used by several goroutines.
type Table struct {
	last      []netip.Addr // of each range, ascending: what a search reads lies close together
	first     []netip.Addr
	countries []string
}

// Parse reads a table from CSV: a header, then first address, last address, country. The ranges may come in any order, and may not overlap.
func Parse(text []byte) (*Table, error) {
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		return nil, err
	}
	type span struct {
		first, last netip.Addr
		country     string
	}
	var spans []span
	for i, r := range rows[min(1, len(rows)):] {
		if len(r) != 3 {
			return nil, fmt.Errorf("line %d has %d fields, want first, last, country", i+2, len(r))
		}
		first, err := netip.ParseAddr(r[0])
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+2, err)
		}
		last, err := netip.ParseAddr(r[1])
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+2, err)
		}
		if first.BitLen() != last.BitLen() || last.Less(first) {
			return nil, fmt.Errorf("line %d: %s to %s is no range", i+2, first, last)
		}
		spans = append(spans, span{first, last, r[2]})
	}
	slices.SortFunc(spans, func(a, b span) int { return a.first.Compare(b.first) })
	t := &Table{}
	for i, s := range spans {
		if i > 0 && !t.last[i-1].Less(s.first) {
			return nil, fmt.Errorf("ranges %s to %s and %s to %s overlap", spans[i-1].first, spans[i-1].last, s.first, s.last)
		}
		t.first, t.last, t.countries = append(t.first, s.first), append(t.last, s.last), append(t.countries, s.country)
	}
	return t, nil
}

// Lookup is the country of an address in text; false if it is in no range, or no address. An IPv4 address may be written as an IPv6 one.
func (t *Table) Lookup(text string) (country string, ok bool) {
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return "", false
	}
	ip = ip.Unmap().WithZone("")
	i := sort.Search(len(t.last), func(i int) bool { return !t.last[i].Less(ip) })
	if i == len(t.last) || ip.Less(t.first[i]) {
		return "", false
	}
	return t.countries[i], true
}
