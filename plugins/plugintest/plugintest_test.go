package plugintest_test

import (
	"testing"

	"github.com/millrace/millrace/plugins/plugintest"
)

func TestCompiledIn(t *testing.T) {
	plugintest.Suite(t, plugintest.CompiledIn(t, plugintest.Plugin()))
}
