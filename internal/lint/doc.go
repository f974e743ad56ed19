// Package lint holds the project's own rules as tests: which package may import which, which calls are banned where, and that
// exported names have comments. Each finding names its fix.
package lint
