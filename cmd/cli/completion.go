package cli

import (
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/uqtool/uq/replay/netns/traffic"
	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/traces/interop/formats"
	"github.com/uqtool/uq/traces/synth"
)

// traceFiles are the endings of the files that commands take, by their paths.
var traceFiles = map[string][]string{
	"uq sim": {"zst"}, "uq explain": {"zst"}, "uq diff": {"zst", "jsonl"}, "uq verify": {"zst"}, "uq replay": {"zst"},
	"uq trace cat": {"zst"}, "uq trace info": {"zst"}, "uq trace anonymize": {"zst"}, "uq trace export": {"zst"}, "uq trace merge": {"zst"},
	"uq trace pack": {"txt", "text"}, "uq trace import": {"pcap", "pcapng", "cap", "gz", "zst"}, "uq test": {"toml"}, "uq test import": {"json", "toml"},
}

// flagWords are the values of flags that are one of a few words, by the command's
// path and the flag.
func flagWords() map[string][]string {
	whole, timers := []string{gsoWhole, gsoSplit}, []string{"sleep", "hybrid", "spin"}
	return map[string][]string{
		"uq sim gso": append(whole, gsoQdisc), "uq explain gso": append(whole, gsoQdisc), "uq diff gso": whole, "uq replay gso": whole,
		"uq record gso": {"on", "off"}, "uq record timer": timers, "uq replay timer": timers,
		"uq record hook": {"prerouting", "input", "forward", "output", "postrouting"}, "uq record proto": {"tcp", "udp", "icmp", "icmpv6"},
		"uq record direction": {"up", "down", "both"}, "uq record traffic": traffic.Names(), "uq trace synth kind": synth.Kinds(),
		"uq test import direction":  {"up", "down"},
		"uq trace import direction": {"in", "out"}, "uq trace export format": strings.Split(formats.Names(), ", "),
	}
}

// complete teaches cmd and the commands below it what a shell may complete: the
// files they take, and the words of flags, inside the words of --qdisc and --link
// too.
func complete(s *streams, cmd *cobra.Command) {
	path := cmd.CommandPath()
	if ends, ok := traceFiles[path]; ok && cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return ends, cobra.ShellCompDirectiveFilterFileExt
		}
	}
	lines := map[string]func(string) []string{
		"qdisc": s.completeQdisc, "link": s.completeLink,
		"qdisc-help": func(string) []string { return s.qdiscWords("") },
	}
	for name, words := range lines {
		if cmd.Flags().Lookup(name) != nil {
			_ = cmd.RegisterFlagCompletionFunc(name, func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
				return words(unquoted(typed)), cobra.ShellCompDirectiveNoFileComp
			})
		}
	}
	for flag, words := range flagWords() {
		if name, ok := strings.CutPrefix(flag, path+" "); ok && cmd.Flags().Lookup(name) != nil {
			_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
		}
	}
	for _, c := range cmd.Commands() {
		complete(s, c)
	}
}

// unquoted is what fish hands on of a word with blanks, less its quoting.
func unquoted(typed string) string {
	if typed != "" && (typed[0] == '"' || typed[0] == '\'') {
		return typed[1:]
	}
	return strings.ReplaceAll(typed, `\ `, " ")
}

// completeQdisc completes the last word of a scheduler's line, in the innermost
// bracket that is open.
func (s *streams) completeQdisc(typed string) []string {
	open, depth := 0, 0
	for i := len(typed) - 1; i >= 0 && open == 0; i-- {
		switch typed[i] {
		case ']':
			depth++
		case '[':
			if depth--; depth < 0 {
				open = i + 1
			}
		}
	}
	return prefixed(typed[:open], s.qdiscWords(typed[open:]))
}

// qdiscWords are the lines that begin with typed: of a kind, or of one more word.
func (s *streams) qdiscWords(typed string) (lines []string) {
	before, name, more := splitTyped(typed)
	if !more {
		for _, k := range s.ports.Qdiscs {
			lines = append(lines, k.Name+"\t"+k.Summary)
		}
		return lines
	}
	k, ok := s.ports.Qdiscs.Find(name)
	if !ok {
		return nil
	}
	l := listedQdisc(s.ports, k)
	return prefixed(before, l.completions(before))
}

// completeLink completes the last word of a link's line.
func (s *streams) completeLink(typed string) (lines []string) {
	before, name, more := splitTyped(typed)
	kinds := s.ports.LinkKinds()
	if !more {
		for _, k := range kinds {
			if k.New != nil {
				lines = append(lines, k.Name+"\t"+k.Summary)
			}
		}
		return lines
	}
	k, ok := kinds.Find(name)
	if !ok {
		return nil
	}
	around := link.Impairments()
	l := listedKind{}
	for _, help := range []string{k.Options, around[0].Options} {
		for line := range strings.Lines(help) {
			l.Options = append(l.Options, strings.TrimSpace(line))
		}
	}
	l.Options = append(l.Options, "front  what follows happens before the link")
	return prefixed(before, l.completions(before))
}

// splitTyped splits a line into what stands before the word being typed and its
// first word; more says that there is one before.
func splitTyped(typed string) (before, first string, more bool) {
	at := strings.LastIndexAny(typed, " ]")
	words := strings.Fields(typed[:at+1])
	if len(words) == 0 {
		return "", "", false
	}
	before = typed[:at+1]
	if !strings.HasSuffix(before, " ") {
		before += " "
	}
	return before, words[0], true
}

// completions are the words of l's options with what they mean, but for those
// already there. After a word that wants a value there are none.
func (l *listedKind) completions(before string) (words []string) {
	there := strings.Fields(before)
	for _, o := range l.Options {
		head, help := o, ""
		if at := strings.Index(o, "  "); at >= 0 {
			head, help = o[:at], strings.TrimSpace(o[at:])
		}
		fields := strings.Fields(head)
		if len(fields) == 0 {
			continue
		}
		names := []string{fields[0]}
		if name, ok := strings.CutPrefix(fields[0], "[no]"); ok {
			names = []string{name, "no" + name}
		}
		for _, name := range names {
			switch {
			case name != strings.ToLower(name), strings.ContainsAny(name, "[]|"):
			case len(fields) > 1 && fields[1] != "[" && there[len(there)-1] == name:
				return nil // its value is next
			case !slices.Contains(there, name):
				words = append(words, name+"\t"+help)
			}
		}
	}
	return slices.CompactFunc(words, func(a, b string) bool { return wordOf(a) == wordOf(b) })
}

func wordOf(completion string) string {
	word, _, _ := strings.Cut(completion, "\t")
	return word
}

func prefixed(before string, words []string) []string {
	for i := range words {
		words[i] = before + words[i]
	}
	return words
}

// bashQuoted completes in bash what stands in an open quote, as the words of
// --qdisc do, which the script that cobra makes does not.
const bashQuoted = `
__uq_quoted() {
    local cur=${COMP_WORDS[COMP_CWORD]} words line
    if [[ $cur != [\"\']* ]]; then
        __start_uq "$@"
        return
    fi
    COMPREPLY=()
    eval "words=(${COMP_WORDS[*]:1:COMP_CWORD-1})" 2>/dev/null || return
    while IFS= read -r line; do
        line=${line%%$'\t'*}
        [[ $line == "${cur:1}"* ]] && COMPREPLY+=("$line")
    done < <("${COMP_WORDS[0]}" __complete "${words[@]}" "${cur:1}" 2>/dev/null)
}
complete -o nospace -F __uq_quoted uq
`

// zshQuoted is the same for zsh, to stand before the line zshRun.
const zshQuoted = `# What stands in an open quote, as the words of --qdisc do.
functions[_uq_words]=$functions[_uq]
_uq() {
    if [[ ${words[CURRENT]} != [\"\']* ]]; then
        _uq_words "$@"
        return
    fi
    local -a lines
    lines=("${(@f)$("${words[1]}" __complete "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
    lines=("${(@)lines%%$'\t'*}")
    compadd -S '' -- "${(@)lines:#:[0-9]*}"
}

`

// zshRun is where cobra's script for zsh begins to run.
const zshRun = "# don't run the completion function"

// quoted makes the scripts for bash and zsh complete inside quotes, too.
func quoted(root *cobra.Command) {
	for shell, gen := range map[string]func(io.Writer, bool) error{
		"bash": func(w io.Writer, describe bool) error {
			if err := root.GenBashCompletionV2(w, describe); err != nil {
				return err
			}
			_, err := io.WriteString(w, bashQuoted)
			return err
		},
		"zsh": func(w io.Writer, describe bool) error {
			generate, b := root.GenZshCompletion, &strings.Builder{}
			if !describe {
				generate = root.GenZshCompletionNoDesc
			}
			if err := generate(b); err != nil {
				return err
			}
			_, err := io.WriteString(w, strings.Replace(b.String(), zshRun, zshQuoted+zshRun, 1))
			return err
		},
	} {
		cmd, _, err := root.Find([]string{"completion", shell})
		if err != nil {
			continue
		}
		cmd.RunE = func(cmd *cobra.Command, _ []string) error {
			none, _ := cmd.Flags().GetBool("no-descriptions")
			return gen(cmd.OutOrStdout(), !none)
		}
	}
}
