// Package slot answers: who may write number n?
//
// A slot is a numbered file that is created whole and durable, or not at all, and only if nobody created it before:
// put-if-absent by link(2). Segments of the batch log and manifests of the file sink are slots (P4). Whoever finds its slot
// taken reads it, and stops if a higher epoch wrote it. It knows nothing of what a slot holds.
package slot
