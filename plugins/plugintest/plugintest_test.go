package plugintest_test

import (
	"testing"

	"github.com/millrace/millrace/plugins/plugintest"
)

func TestMain(m *testing.M) {
	p := plugintest.Plugin()
	p.Operators = append(p.Operators, measured...)
	plugintest.Main(m, p)
}

func TestCompiledIn(t *testing.T) {
	plugintest.Suite(t, plugintest.CompiledIn(t, plugintest.Plugin()))
}

func TestProcess(t *testing.T) { plugintest.Run(t, plugintest.Self(t)) }
