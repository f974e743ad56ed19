//go:build !linux

package clock

import "time"

func fineAfter(d time.Duration) <-chan time.Time { return time.After(d) }
