package driver

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"gopkg.in/yaml.v3"
)

// envName is the environment variable of a flag.
func envName(flag string) string {
	return "MILLRACE_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fromOutside sets flags that were not given from the environment, and then from the file.
func (f *flags) fromOutside(set *pflag.FlagSet) error {
	given := map[string]bool{}
	set.VisitAll(func(fl *pflag.Flag) { given[fl.Name] = fl.Changed })
	if err := fromEnv(set, given); err != nil || f.file == "" {
		return err
	}
	data, err := os.ReadFile(f.file)
	if err != nil {
		return usagef("--config: %w", err)
	}
	var values map[string]yaml.Node
	if err := yaml.Unmarshal(data, &values); err != nil {
		return usagef("--config %s: %s; want lines of the form `interval: 1s`, one for each setting", f.file, strings.ReplaceAll(err.Error(), "\n ", ""))
	}
	for _, name := range sortedKeys(values) {
		fl := set.Lookup(name)
		if fl == nil || name == "config" || name == "help" {
			return usagef("--config %s: unknown setting %q%s: names are those of the flags, without dashes; see --help", f.file, name, didYouMean(set, name))
		}
		if given[name] {
			continue
		}
		texts, err := settingTexts(values[name])
		if err != nil {
			return usagef("--config %s: %s: %w", f.file, name, err)
		}
		for _, v := range texts {
			if err := set.Set(name, v); err != nil {
				return usagef("--config %s: %s: %w", f.file, name, err)
			}
		}
	}
	return nil
}

// fromEnv sets flags that were not given from MILLRACE_*. Other names there are the job's own business, but for those that a flag's must have
// been meant by.
func fromEnv(set *pflag.FlagSet, given map[string]bool) error {
	for _, kv := range os.Environ() {
		name, value, _ := strings.Cut(kv, "=")
		rest, ok := strings.CutPrefix(name, "MILLRACE_")
		if !ok || name == envSocket {
			continue
		}
		flag := strings.ToLower(strings.ReplaceAll(rest, "_", "-"))
		fl := set.Lookup(flag)
		switch {
		case fl == nil && nearest(set, flag) != "":
			return usagef("%s: there is no such setting; did you mean %s?", name, envName(nearest(set, flag)))
		case fl == nil, given[flag], flag == "help":
			continue
		}
		given[flag] = true
		texts := []string{value}
		if fl.Value.Type() == "stringArray" {
			texts = strings.Split(value, ",")
		}
		for _, v := range texts {
			if err := set.Set(flag, v); err != nil {
				return usagef("%s: %w", name, err)
			}
		}
	}
	return nil
}

func didYouMean(set *pflag.FlagSet, name string) string {
	if near := nearest(set, name); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}

// settingTexts is a YAML value as a flag's texts, as they are written: a list has one for each element.
func settingTexts(v yaml.Node) ([]string, error) {
	switch v.Kind {
	case yaml.ScalarNode:
		if v.Tag == "!!null" {
			return []string{""}, nil
		}
		return []string{v.Value}, nil
	case yaml.SequenceNode:
		var out []string
		for _, x := range v.Content {
			if x.Kind != yaml.ScalarNode {
				return nil, fmt.Errorf("line %d: want a list of plain values", x.Line)
			}
			out = append(out, x.Value)
		}
		return out, nil
	}
	return nil, fmt.Errorf("line %d: want a value or a list", v.Line)
}

// resolved are all settings that were given, by flag, environment or file, as arguments: what child processes and executors get, so that they
// agree with the driver wherever they run, and whatever becomes of the file (P21). Secrets are named by file.
func resolved(set *pflag.FlagSet) []string {
	args := []string{}
	set.VisitAll(func(fl *pflag.Flag) {
		if !fl.Changed || fl.Name == "config" {
			return
		}
		for _, v := range flagTexts(fl) {
			args = append(args, "--"+fl.Name+"="+v)
		}
	})
	return args
}

// flagTexts are texts from which a flag of the same type takes its value.
func flagTexts(fl *pflag.Flag) []string {
	list, ok := fl.Value.(pflag.SliceValue)
	switch {
	case !ok && strings.HasPrefix(fl.Value.Type(), "stringTo"):
		return []string{strings.TrimSuffix(strings.TrimPrefix(fl.Value.String(), "["), "]")}
	case !ok:
		return []string{fl.Value.String()}
	case fl.Value.Type() == "stringArray":
		return list.GetSlice()
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write(list.GetSlice()) // into memory
	w.Flush()
	return []string{strings.TrimSuffix(b.String(), "\n")}
}

// parseJobFlags reads the driver's arguments into the job's own flags, in place of what was given here; the engine's, which are the driver's
// business, are passed over.
func parseJobFlags(args []string) error {
	set := pflag.NewFlagSet("driver", pflag.ContinueOnError)
	own := map[string]bool{}
	var err error
	pflag.CommandLine.VisitAll(func(f *pflag.Flag) {
		own[f.Name] = true
		if f.Changed && err == nil {
			err = reset(f, slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "--"+f.Name+"=") }))
		}
		set.AddFlag(f)
	})
	if err != nil {
		return err
	}
	ignored := &flags{}
	rest := pflag.NewFlagSet("engine", pflag.ContinueOnError)
	ignored.register(rest)
	rest.VisitAll(func(f *pflag.Flag) {
		if !own[f.Name] {
			set.AddFlag(f)
		}
	})
	return set.Parse(args)
}

// reset gives a flag its default again. A list that is about to be set is emptied: setting it appends.
func reset(f *pflag.Flag, set bool) error {
	list, ok := f.Value.(pflag.SliceValue)
	if !ok {
		return f.Value.Set(f.DefValue)
	}
	text := strings.TrimSuffix(strings.TrimPrefix(f.DefValue, "["), "]")
	if text == "" || set {
		return list.Replace(nil)
	}
	return list.Replace(strings.Split(text, ","))
}
