// Package task answers: what do the operators of one task promise each other?
//
// A task pushes Chunks of rows through Kernels into Writers, which fill blocks; on the other side of a shuffle a Reducer gathers blocks
// and gives Chunks again. Context is all that any of them may depend on besides its input (I2). Package rdd has these names as its own
// (rdd.Chunk and so on): what a plan is made of and who runs it is said there. They stand here so that package ops can
// implement them without knowing plans.
package task
