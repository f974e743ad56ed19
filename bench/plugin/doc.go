// Package plugin measures what operators in processes of their own cost: rows through an operator and nothing else, the time until a small record batch is back, and W4 with its
// filter in a plugin beside W4 with the filter compiled in. Each is measured over shared memory and over go-plugin's plain gRPC.
package plugin
