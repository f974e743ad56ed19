// Package host starts plugins and calls them: where do the operators of other processes come from?
//
// A Pool has the plugin processes of this one. Resolve turns a reference to an executable into operators of the contract of package plugins, whose calls
// go to a process: whoever uses them cannot tell them from operators in Go. It owns what can go wrong with a process: it checks that the bytes of the executable are
// those that were locked, gives it little of this process's environment, limits its time, memory and answers, ends it with all that it started, and starts it again.
//
// What a process says is checked before it is believed. A plugin is not kept from using files and network: it runs as this process's user. Run jobs
// whose plugins you do not trust in a container.
package host
