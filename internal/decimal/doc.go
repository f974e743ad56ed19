// Package decimal computes with decimal numbers of up to 38 digits: an integer (decimal128.Num) whose last digits, as many as a scale says, stand behind
// the point. Nothing here allocates for numbers that fit in 64 bits. Results of more than 38 digits do not exist: functions say so with false, and what
// does not come out even is rounded half away from zero.
package decimal
