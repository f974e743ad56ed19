package row

// Used does nothing with what was read only to have it in the cache, so that reading it is not left out. It is no field that takes it: tables are read by several
// tasks at a time.
//
//go:noinline
func Used(uint64) {}
