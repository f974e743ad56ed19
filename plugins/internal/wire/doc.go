// Package wire has the messages between millrace and plugins, which plugin.proto defines, and what else both sides have to agree on. docs/plugins-protocol.md says what
// happens when.
//
// The generated files are made by protoc with protoc-gen-go and protoc-gen-go-grpc, paths=source_relative.
package wire
