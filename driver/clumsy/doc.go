// Package clumsy holds tests that use jobs' binaries as strangers do: with broken input, wrong flags, full disks, missing topics, lost
// certificates and interrupted processes. Its test binary is the job's binary: TestMain runs the job that CLUMSY_JOB names.
package clumsy
