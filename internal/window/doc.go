// Package window answers: what does an operator remember of the batches in a window of batch time?
//
// Its types are Span, a window and how often it ends; Panes, what a batch brought, kept in a state table by key group and batch time until it leaves; and
// the reducers of windowed operators: Reduction, which keeps a value a key and changes it by what enters and leaves, and Rows, which keeps rows.
//
//	batches      ┊ 3 ┊ 4 ┊ 5 ┊ 6 ┊ 7 ┊ 8 ┊    a pane each
//	at 6         (  leave ]───────────]        slide 2: 5 and 6 enter, 1 and 2 leave, of a window of 4
//	at 8               (──────────────────]
//
// Package dstream makes operators of them. When batches are cut is the driver's business (P31).
package window
