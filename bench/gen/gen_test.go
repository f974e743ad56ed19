package gen

import (
	"testing"

	"github.com/zeebo/xxh3"
)

// The bytes are a promise: figures of different engines are compared over the same data. The sums are of the first 300 records with seed 1, keys and values
// each followed by a newline.
func TestBytesAreFixed(t *testing.T) {
	want := map[string]uint64{
		"lines": 0xa6e58e376f13b124, "ads": 0xe3386207241a5458, "profiles": 0x31cab1f24d0a788d, "pageviews": 0x64857f97f54cc801,
	}
	for _, data := range []string{"lines", "ads", "profiles", "pageviews"} {
		mk, err := New(data, 1)
		if err != nil {
			t.Fatal(err)
		}
		h := xxh3.New()
		for i := range 300 {
			k, v := mk(i, EventMillis(i))
			if k != nil {
				h.Write(append(k, '\t'))
			}
			h.Write(append(v, '\n'))
		}
		if got := h.Sum64(); got != want[data] {
			t.Errorf("%s: sum %#x, want %#x", data, got, want[data])
		}
	}
	if m := CampaignOf(); len(m) != Ads {
		t.Errorf("%d ads, want %d", len(m), Ads)
	}
}
