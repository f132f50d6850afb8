// Command pirwatch turns a PIR sensor and a camera into a watchman that speaks MQTT.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"

	"pirwatch/configs"
)

// version is set when a package is built; a plain build names its commit.
var version string

// The exit codes; 64 and 78 are those of sysexits.h, EX_USAGE and EX_CONFIG.
// The unit does not restart after 78.
const (
	exitGood   = 0
	exitFailed = 1
	exitUsage  = 64
	exitConfig = 78
)

// cli is the command line.
type cli struct {
	Run     runCommand     `cmd:"" help:"Watch: the daemon."`
	Demo    demoCommand    `cmd:"" help:"Show it all on this machine: a drawn scene, a broker of its own, and the page."`
	Setup   setupCommand   `cmd:"" help:"Ask a few questions and write the configuration."`
	Check   checkCommand   `cmd:"" help:"Read the configuration, tell all that is wrong with it, and try each part."`
	Detect  detectCommand  `cmd:"" help:"Run the motion detector over clips, at full speed."`
	Receive receiveCommand `cmd:"" help:"Put pictures from a broker together and keep them as files."`
	View    viewCommand    `cmd:"" help:"Serve the page for every camera at a broker."`
	Forget  forgetCommand  `cmd:"" help:"Remove the camera from Home Assistant and its retained messages from the broker."`

	Version kong.VersionFlag `help:"Print the version and leave."`
}

func main() {
	spareMemory()
	os.Exit(start(os.Args[1:], os.Stdout, os.Stderr))
}

// start is the program without its process: arguments in, exit code out.
func start(args []string, stdout, stderr io.Writer) int {
	var c cli
	left := -1 // set where kong itself ends the program: after --help and --version
	parser, err := kong.New(&c,
		kong.Name("pirwatch"),
		kong.Description("A watchman for a Raspberry Pi: sees motion by PIR sensor and camera, and sends pictures over MQTT."),
		kong.Vars{"version": "pirwatch " + versionText(), "config": configs.Path},
		kong.Writers(stdout, stderr),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Exit(func(code int) { left = code; panic(errLeft) }),
	)
	if err != nil {
		fmt.Fprintln(stderr, "pirwatch:", err)
		return exitFailed
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	parsed, code := parse(parser, args, &left)
	if parsed == nil {
		return code
	}
	go func() {
		<-ctx.Done()
		stop() // a second signal ends at once
	}()
	parsed.BindTo(ctx, (*context.Context)(nil))
	err = parsed.Run(streams{stdout, stderr})
	return exitCode(err, stderr)
}

var errLeft = errors.New("kong has ended the program")

// parse returns nil and the exit code where there is nothing to run.
func parse(parser *kong.Kong, args []string, left *int) (parsed *kong.Context, code int) {
	defer func() {
		if r := recover(); r != nil {
			if r != errLeft {
				panic(r)
			}
			parsed, code = nil, *left
		}
	}()
	parsed, err := parser.Parse(args)
	if err != nil {
		parser.Errorf("%v (pirwatch --help lists what there is)", err)
		return nil, exitUsage
	}
	return parsed, exitGood
}

// streams are where a command prints.
type streams struct {
	out, err io.Writer
}

// errUsage marks what is wrong with the command line beyond its syntax.
type errUsage struct{ error }

// exitCode tells an error and gives its code.
func exitCode(err error, stderr io.Writer) int {
	var wrong configs.Problems
	var problem configs.Problem
	var usage errUsage
	switch {
	case err == nil || errors.Is(err, context.Canceled):
		return exitGood
	case errors.As(err, &wrong), errors.As(err, &problem):
		fmt.Fprintln(stderr, err)
		return exitConfig
	case errors.As(err, &usage):
		fmt.Fprintln(stderr, "pirwatch:", err)
		return exitUsage
	case errors.Is(err, errTold):
		return exitFailed
	}
	fmt.Fprintln(stderr, "pirwatch:", err)
	return exitFailed
}

// errTold is a failure that the user has already read about.
var errTold = errors.New("failed")

// versionText is the version, or the commit of a plain build.
func versionText() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	commit, dirty := "", ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			commit = s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "+changes"
			}
		}
	}
	if commit == "" {
		return "dev"
	}
	return "dev-" + commit + dirty
}
