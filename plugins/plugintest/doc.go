// Package plugintest answers: does this operator do what the contract of package plugins says, wherever it runs?
//
// For authors of operators: Apply, Total and Steps call an operator as the engine does, with Go values in and out, in several ways that must give equal bytes.
//
// For those who write hosts and SDKs: Suite runs a plugin that offers the operators of README.md against results that are computed plainly, over random data of all types of columns. Operators is
// that plugin in Go. Run is Suite for an executable.
package plugintest
