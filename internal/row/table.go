package row

// Dict gives dense numbers to keys: the first key is 0, the next new one 1, and so on. It is an open-addressing table over
// pointer-free memory, for partial aggregation and state. One goroutine at a time.
type Dict struct{}

// NewDict is an empty dictionary with room for about n keys.
func NewDict(n int) *Dict { panic("unwritten") }

// Len is the number of keys.
func (d *Dict) Len() int { panic("unwritten") }

// Add finds or adds each key of k and writes its number to idx, which has length k.Len(). It returns how many numbers existed before: numbers from there on are new.
func (d *Dict) Add(k *Keys, idx []int32) (before int) { panic("unwritten") }

// Find writes the number of each key of k to idx, -1 where it is unknown.
func (d *Dict) Find(k *Keys, idx []int32) { panic("unwritten") }

// Keys are the keys by number. The result aliases the dictionary's memory and is valid until the next Add.
func (d *Dict) Keys() *Keys { panic("unwritten") }

// Reset forgets all keys and keeps the memory.
func (d *Dict) Reset() { panic("unwritten") }
