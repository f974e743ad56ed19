package sink

// DeadLettersTo is DeadLettersStderr to another place.
var DeadLettersTo = deadLettersTo
