// Package exampletest answers whether a package shows its users how each function and method is called: a test of the package goes over what it exports,
// and names what has no runnable Example.
package exampletest
