package driver

import (
	"fmt"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// near names the sources and sinks that work on files of the driver's machine: the embedded log, directories (P23). Executors that do not see
// the checkpoint's directory run on another machine. Whatever they find there under the same paths is something else.
type near struct{ sources, sinks map[string]bool }

func nearOf(p *rdd.Plan) near {
	n := near{map[string]bool{}, map[string]bool{}}
	for _, s := range p.Sources {
		if spec, ok := s.Leaf.(*source.Spec); ok && spec.OnDisk {
			n.sources[s.Name] = true
		}
	}
	for _, s := range p.Sinks {
		if spec, ok := s.Outlet.(*sink.Spec); ok && spec.OnDisk {
			n.sinks[s.Name] = true
		}
	}
	return n
}

// crew are executors by what they can take, in order of their names.
type crew struct {
	hosts   []string // ordinary parts
	sharing []string // of these, who sees the driver's files
	locals  []string // in the driver's process
}

func (m *machine) crewOf(names []string) crew {
	var c crew
	for _, name := range names {
		x := m.execs[name]
		if x == nil {
			continue
		}
		if x.hosts {
			c.hosts = append(c.hosts, name)
			if !x.far || fault.Planted("P23-place") {
				c.sharing = append(c.sharing, name)
			}
		}
		if x.local {
			c.locals = append(c.locals, name)
		}
	}
	return c
}

// keepers are those who get the lanes of sinks that write files.
func (c *crew) keepers() []string {
	if len(c.sharing) == 0 && len(c.locals) > 0 {
		return c.locals[:1]
	}
	return c.sharing
}

// hosting tells whether executors can run the job: some take ordinary parts, and what works on files of the driver's machine finds one there.
func (m *machine) hosting(names []string) bool {
	c := m.crewOf(names)
	return len(c.hosts) > 0 && m.stranded(&c) == "" && (len(m.near.sinks) == 0 || len(c.keepers()) > 0)
}

// stranded says which source no executor of a crew can read, "" if there is none or the crew is empty.
func (m *machine) stranded(c *crew) string {
	if len(c.hosts) == 0 || len(c.sharing) > 0 {
		return ""
	}
	for _, name := range m.order {
		if m.near.sources[name] {
			return fmt.Sprintf("source %s reads files of the driver's machine, and executor %s runs on another one: it does not see the checkpoint's directory. "+
				"Start an executor on the driver's machine too; or mount the directories of checkpoint and source on the other one, under the same paths; or read from Kafka", name, c.hosts[0])
		}
	}
	return ""
}

// placeSources gives source partitions to hosts, and those that are files to hosts that see them.
func (m *machine) placeSources(c *crew) {
	for _, bound := range []bool{false, true} {
		var parts []*part
		var owners []string
		m.eachPart(func(_ *input, p *part) {
			switch {
			case m.bound(c, m.near.sources[p.Source]) != bound:
			case !m.wanted(p):
				p.owner = ""
			default:
				parts, owners = append(parts, p), append(owners, p.owner)
			}
		})
		names := c.hosts
		if bound {
			names = c.sharing
		}
		for i, owner := range m.share(owners, names) {
			if parts[i].owner != owner {
				parts[i].owner, parts[i].held, parts[i].rows = owner, parts[i].next, 0
				m.touch(parts[i])
			}
		}
	}
}

// bound tells whether a source or sink that works on files may not go to every host.
func (m *machine) bound(c *crew, files bool) bool { return files && len(c.sharing) < len(c.hosts) }

// placeLanes shares the lanes of ordinary sinks among hosts, gives those of callbacks to the driver's own executor, and those that write files
// to hosts that see them, or else to the driver's own.
func (m *machine) placeLanes(c *crew) {
	lanes := map[string][]string{}
	var groups [2][]string // sinks by who may have their lanes
	for _, s := range m.shape.sinks {
		switch {
		case s.onDriver && len(c.locals) > 0:
			lanes[s.name] = m.share(make([]string, m.active.Lanes[s.name]), c.locals[:1])
		case m.bound(c, m.near.sinks[s.name]):
			groups[1] = append(groups[1], s.name)
		default:
			groups[0] = append(groups[0], s.name)
		}
	}
	for i, names := range [][]string{c.hosts, c.keepers()} {
		var owners []string
		for _, sink := range groups[i] {
			owners = append(owners, resize(m.lanes[sink], m.active.Lanes[sink])...)
		}
		owners = m.share(owners, names)
		for _, sink := range groups[i] {
			n := m.active.Lanes[sink]
			lanes[sink], owners = owners[:n:n], owners[n:]
		}
	}
	m.lanes = lanes
}
