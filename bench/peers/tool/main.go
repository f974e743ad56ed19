// Command tool is what measurements of other engines need: it loads topics and files with the data of bench/WORKLOADS.md, empties topics, probes latency, drains a topic
// for the floor that every engine over Kafka pays, and turns the engines' words into lines of measured.jsonl.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	root := &cobra.Command{Use: "tool", Short: "Data, probes and floors for measurements of other engines", SilenceUsage: true, SilenceErrors: true}
	brokers := root.PersistentFlags().String("brokers", "127.0.0.1:9092", "Kafka brokers")
	root.AddCommand(loadCommand(brokers), topicCommand(brokers), campaignsCommand(), latencyCommand(brokers), drainCommand(brokers), recordCommand())
	err := root.ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "tool:", err)
		os.Exit(1)
	}
}
