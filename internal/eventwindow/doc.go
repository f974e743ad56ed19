// Package eventwindow is windows on columns: which windows an event time lies in, and what an operator remembers of windows until the watermark has
// passed them. A Spec describes windows as data; an Assigner finds those of a column of times. Windows of rows that are Go values, by the times of whole
// batches, are package window's.
package eventwindow
