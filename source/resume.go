package source

// Resumer is implemented by connectors whose partitions depend on what a checkpoint has recorded: files that were planned must
// not have changed (P18), a rate goes on from its first start. The driver calls Resume once, after opening the connector and before Partitions,
// with all partitions in the checkpoint's plans, Key and Meta as they were recorded.
type Resumer interface {
	Resume(recorded []Partition) error
}
