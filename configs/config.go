// Package configs is pirwatch's configuration: one annotated TOML file and the
// Go side of it. Unknown keys are errors, and all errors are told at once, each
// with its place and with what would be right.
package configs

import (
	_ "embed"
	"os"
	"path/filepath"
)

// Annotated is the configuration file as it is shipped: every key, what it
// does, its allowed values, and its default in place.
//
//go:embed pirwatch.toml
var Annotated []byte

// Path is where the daemon looks for its configuration by default.
const Path = "/etc/pirwatch/pirwatch.toml"

// Config is the whole configuration, one field a section. The tag "toml" is the
// key; "one" lists the allowed words; "range" gives the bounds, inclusive.
type Config struct {
	Name     string `toml:"name"`      // the camera's; empty = from the host's: see CameraName
	StateDir string `toml:"state_dir"` // empty = systemd's, else /var/lib/pirwatch: see State

	Broker        Broker        `toml:"broker"`
	Topics        Topics        `toml:"topics"`
	Wire          Wire          `toml:"wire"`
	Watson        Watson        `toml:"watson"`
	Camera        Camera        `toml:"camera"`
	Burst         Burst         `toml:"burst"`
	Picture       Picture       `toml:"picture"`
	Sensor        Sensor        `toml:"sensor"`
	Motion        Motion        `toml:"motion"`
	Detector      Detector      `toml:"detector"`
	Masks         Masks         `toml:"masks"`
	Queue         Queue         `toml:"queue"`
	Pace          Pace          `toml:"pace"`
	Backoff       Backoff       `toml:"backoff"`
	Archive       Archive       `toml:"archive"`
	Live          Live          `toml:"live"`
	Health        Health        `toml:"health"`
	Place         Place         `toml:"place"`
	Schedule      Schedule      `toml:"schedule"`
	Profiles      Profiles      `toml:"profiles"`
	Lamp          Lamp          `toml:"lamp"`
	HomeAssistant HomeAssistant `toml:"home_assistant"`
	View          View          `toml:"view"`
	Metrics       Metrics       `toml:"metrics"`
	Log           Log           `toml:"log"`

	places map[string]Position // key path to where it was set
}

// Broker is how to reach the MQTT broker and what it bears.
type Broker struct {
	URL            string   `toml:"url"` // mqtt, mqtts, ws, wss; empty = not configured yet
	Username       string   `toml:"username"`
	PasswordFile   string   `toml:"password_file"` // empty = systemd's credential: see BrokerPassword
	ClientID       string   `toml:"client_id"`     // empty = pirwatch-<camera>
	CAFile         string   `toml:"ca_file"`
	CertFile       string   `toml:"cert_file"`
	KeyFile        string   `toml:"key_file"`
	ServerName     string   `toml:"server_name"` // name in the broker's certificate; empty = the URL's
	ALPN           string   `toml:"alpn"`
	Profile        string   `toml:"profile" one:"mosquitto,watson,aws,azure,thingsboard,emqx,hivemq"`
	MaxPacket      Size     `toml:"max_packet" range:"0B..256MB"` // 0 = the profile's
	KeepAlive      Duration `toml:"keep_alive" range:"5s..20m"`
	ConnectTimeout Duration `toml:"connect_timeout" range:"1s..5m"`
	WriteTimeout   Duration `toml:"write_timeout" range:"1s..5m"`
}

// Topics says under which topics the camera speaks.
type Topics struct {
	Base string `toml:"base"`
}

// Wire is the form of the messages.
type Wire struct {
	Profile   string `toml:"profile" one:"standard,recipe,watson"`
	ChunkSize int    `toml:"chunk_size" range:"100..180000"` // characters of base64 in a piece
	Envelope  string `toml:"envelope" one:"auto,none,string,object"`
	Base64    bool   `toml:"base64"`
	DataURI   bool   `toml:"datauri"`
}

// Watson names a device on IBM Watson IoT Platform or a compatible broker.
type Watson struct {
	Org        string `toml:"org"`
	Type       string `toml:"type"`
	ID         string `toml:"id"`
	DeviceFile string `toml:"device_file"` // the platform's device.cfg; its values fill what is empty here
	TokenFile  string `toml:"token_file"`  // empty = systemd's credential: see WatsonToken
}

// Camera says which camera, and how it runs.
type Camera struct {
	Driver       string   `toml:"driver" one:"auto,rpicam,v4l2,netcam,clip,scene,off"`
	Width        int      `toml:"width" range:"64..8192"`
	Height       int      `toml:"height" range:"64..8192"`
	FPS          float64  `toml:"fps" range:"0.1..120"`
	DetectorFPS  float64  `toml:"detector_fps" range:"0.1..60"`
	StartWithin  Duration `toml:"start_within" range:"1s..10m"`
	StallAfter   Duration `toml:"stall_after" range:"1s..10m"`
	FrozenAfter  Duration `toml:"frozen_after" range:"0s..24h"` // 0 = never
	RetryFirst   Duration `toml:"retry_first" range:"100ms..10m"`
	RetryLongest Duration `toml:"retry_longest" range:"1s..1h"`
	RPiCam       RPiCam   `toml:"rpicam"`
	V4L2         V4L2     `toml:"v4l2"`
	NetCam       NetCam   `toml:"netcam"`
	Clip         Clip     `toml:"clip"`
	Scene        Scene    `toml:"scene"`
}

// RPiCam is a Raspberry Pi camera, read through rpicam-vid or libcamera-vid.
type RPiCam struct {
	Mode         string   `toml:"mode" one:"video,still"`
	Program      string   `toml:"program"` // empty = rpicam-vid, else libcamera-vid
	Index        int      `toml:"index" range:"0..15"`
	Quality      int      `toml:"quality" range:"1..100"`
	Rotation     int      `toml:"rotation" one:"0,180"`
	HFlip        bool     `toml:"hflip"`
	VFlip        bool     `toml:"vflip"`
	Exposure     string   `toml:"exposure" one:"normal,sport,long"`
	Metering     string   `toml:"metering" one:"centre,spot,average"`
	Shutter      Duration `toml:"shutter" range:"0s..10m"` // 0 = automatic
	Gain         float64  `toml:"gain" range:"0..64"`      // 0 = automatic
	EV           float64  `toml:"ev" range:"-10..10"`      // stops
	AWB          string   `toml:"awb" one:"auto,incandescent,tungsten,fluorescent,indoor,daylight,cloudy"`
	Autofocus    string   `toml:"autofocus" one:",manual,auto,continuous"` // empty = the program's
	FocusRange   string   `toml:"focus_range" one:",normal,macro,full"`    // empty = the program's
	LensPosition string   `toml:"lens_position"`                           // dioptres, with manual focus
	HDR          string   `toml:"hdr" one:",off,auto,sensor,single-exp"`   // empty = the program's
	Denoise      string   `toml:"denoise" one:"auto,off,cdn_off,cdn_fast,cdn_hq"`
	TuningFile   string   `toml:"tuning_file"`
	Settle       Duration `toml:"settle" range:"0s..1m"`
	ExtraArgs    []string `toml:"extra_args"`
}

// V4L2 is a USB camera, or anything else that is a /dev/video device.
type V4L2 struct {
	Device    string         `toml:"device"` // path or part of the name; empty = the first that captures
	Format    string         `toml:"format" one:"auto,mjpeg,yuyv,nv12"`
	Exposure  int            `toml:"exposure" range:"0..100000"` // 100 µs steps; 0 = automatic
	Gain      int            `toml:"gain" range:"-1..65535"`     // -1 = as the camera has it
	Focus     int            `toml:"focus" range:"-1..65535"`    // -1 = automatic
	PowerLine string         `toml:"power_line" one:"camera,off,50Hz,60Hz,auto"`
	Controls  map[string]int `toml:"controls"`
}

// NetCam is a camera on the network.
type NetCam struct {
	URL          string   `toml:"url"`
	Username     string   `toml:"username"`
	PasswordFile string   `toml:"password_file"` // empty = systemd's credential: see NetCamPassword
	CAFile       string   `toml:"ca_file"`
	Timeout      Duration `toml:"timeout" range:"1s..2m"`
	FFmpeg       string   `toml:"ffmpeg"` // the program; empty = found in PATH
}

// Clip plays a file instead of a camera.
type Clip struct {
	Path string  `toml:"path"`
	FPS  float64 `toml:"fps" range:"0..240"` // 0 = the file's own, or 10 for a folder
	Loop bool    `toml:"loop"`
}

// Scene is the demo's drawn picture.
type Scene struct {
	VisitorEvery Duration `toml:"visitor_every" range:"1s..24h"`
	DayLength    Duration `toml:"day_length" range:"10s..24h"`
	Wind         float64  `toml:"wind" range:"0..3"`
	Seed         int      `toml:"seed"`
}

// Burst says which frames of an event are sent.
type Burst struct {
	Frames        int      `toml:"frames" range:"1..100"`
	Interval      Duration `toml:"interval" range:"0s..1m"`
	Every         Duration `toml:"every" range:"0s..10m"` // while motion goes on; 0 = none
	PreRoll       Duration `toml:"pre_roll" range:"0s..30s"`
	PreRollFrames int      `toml:"pre_roll_frames" range:"0..30"`
	PostRoll      Duration `toml:"post_roll" range:"0s..1m"`
	MostPictures  int      `toml:"most_pictures" range:"1..1000"`
	Ring          Size     `toml:"ring" range:"1MB..1GB"`
}

// Picture is what is done to a picture before it leaves.
type Picture struct {
	Resize   Dimensions `toml:"resize"`
	Quality  int        `toml:"quality" range:"1..100"`
	MaxBytes Size       `toml:"max_bytes" range:"0B..100MB"` // 0 = no limit
	EXIF     bool       `toml:"exif"`
	GPS      bool       `toml:"gps"`
	Overlay  Overlay    `toml:"overlay"`
}

// Overlay is a line of text in the picture.
type Overlay struct {
	Text     string `toml:"text"` // a template; empty = none
	Position string `toml:"position" one:"top-left,top-right,bottom-left,bottom-right"`
}

// Sensor is the PIR sensor and the line it is on.
type Sensor struct {
	Driver     string   `toml:"driver" one:"gpiocdev,rpio,off"`
	Chip       string   `toml:"chip"` // label or path; empty = the Pi's own header
	Line       int      `toml:"line" range:"0..511"`
	ActiveLow  bool     `toml:"active_low"`
	Pull       string   `toml:"pull" one:"up,down,off"`
	Debounce   Duration `toml:"debounce" range:"0s..5s"`
	WarmUp     Duration `toml:"warm_up" range:"0s..10m"`     // since the machine's start
	StuckAfter Duration `toml:"stuck_after" range:"0s..24h"` // 0 = never
	Chatter    int      `toml:"chatter_per_minute" range:"2..1000"`
}

// Motion is what counts as an event.
type Motion struct {
	Armed        bool     `toml:"armed"`
	Trigger      string   `toml:"trigger" one:"pir,frames,either,both"`
	HoldOff      Duration `toml:"hold_off" range:"1s..10m"`
	BothWindow   Duration `toml:"both_window" range:"1s..1m"`
	LongestEvent Duration `toml:"longest_event" range:"5s..1h"`
	Cooldown     Duration `toml:"cooldown" range:"0s..1h"` // whole seconds on the wire
	CooldownMax  Duration `toml:"cooldown_max" range:"0s..24h"`
	Quiet        Duration `toml:"quiet" range:"1s..24h"`
	Sensitivity  int      `toml:"sensitivity" range:"1..100"`
	MinSize      float64  `toml:"min_size" range:"0..0.5"` // fraction of the watched area; 0 = the detector's own
}

// Detector holds the constants behind the frame comparison; docs/detection.md
// tells what each does. 0 leaves the detector its own.
type Detector struct {
	Learn      Duration `toml:"learn" range:"0s..1m"`
	Background Duration `toml:"background" range:"0s..10m"`
	Still      Duration `toml:"still" range:"0s..1h"`
	Hold       Duration `toml:"hold" range:"0s..1m"`
	Floor      float64  `toml:"floor" range:"0..100"`
	Noise      float64  `toml:"noise" range:"0..50"`
	Shake      float64  `toml:"shake" range:"0..2"`
	Trust      float64  `toml:"trust" range:"0..2"`
	Evidence   float64  `toml:"evidence" range:"0..100"`
	Caution    float64  `toml:"caution" range:"0..20"`
	Travel     float64  `toml:"travel" range:"0..5"`
	Clutter    float64  `toml:"clutter" range:"0..20"`
	Crowd      float64  `toml:"crowd" range:"0..1000"`
	Flat       float64  `toml:"flat" range:"0..1"`
	Outline    float64  `toml:"outline" range:"0..4"`
	Scene      float64  `toml:"scene" range:"0..1"`
	Switch     float64  `toml:"switch" range:"0..10"`
}

// Masks are areas of the picture. What is set over MQTT or drawn in the page
// takes their place.
type Masks struct {
	Watch   []Polygon `toml:"watch"` // empty = everywhere
	Ignore  []Polygon `toml:"ignore"`
	Privacy []Polygon `toml:"privacy"`
}

// Queue keeps pictures until the broker has acknowledged them.
type Queue struct {
	RAM      Size     `toml:"ram" range:"1MB..4GB"`
	Disk     Size     `toml:"disk" range:"0B..1000GB"`
	Dir      string   `toml:"dir"` // empty = queue in the state directory
	Spool    string   `toml:"spool" one:"on_failure,always"`
	Deadline Duration `toml:"deadline" range:"100ms..1h"`
	Recent   Size     `toml:"recent" range:"0B..1GB"`
}

// Pace bounds how fast pieces are sent.
type Pace struct {
	PiecesPerSecond float64 `toml:"pieces_per_second" range:"0..100000"` // 0 = unlimited
	Burst           int     `toml:"burst" range:"1..100000"`
	BytesPerSecond  Size    `toml:"bytes_per_second" range:"0B..1GB"` // 0 = unlimited
	Window          int     `toml:"window" range:"1..1000"`
}

// Backoff is how connecting is tried again.
type Backoff struct {
	First       Duration `toml:"first" range:"100ms..10m"`
	Longest     Duration `toml:"longest" range:"1s..24h"`
	Factor      float64  `toml:"factor" range:"1.1..10"`
	StableAfter Duration `toml:"stable_after" range:"0s..1h"`
	Refused     Duration `toml:"refused" range:"10s..24h"`
}

// Archive keeps what was sent, on this machine.
type Archive struct {
	On       bool     `toml:"on"`
	Dir      string   `toml:"dir"` // empty = archive in the state directory
	MaxBytes Size     `toml:"max_bytes" range:"1MB..100000GB"`
	MaxAge   Duration `toml:"max_age" range:"0s..3650d"` // 0 = no limit
	MinFree  Size     `toml:"min_free" range:"0B..1000GB"`
}

// Live sends the newest frame again and again.
type Live struct {
	Interval Duration `toml:"interval" range:"0s..1h"` // 0 = off
}

// Health is how often the camera tells how it is.
type Health struct {
	Interval Duration `toml:"interval" range:"5s..1h"`
}

// Place is where the camera hangs and which clock its owner reads.
type Place struct {
	Latitude  float64 `toml:"latitude" range:"-90..90"`
	Longitude float64 `toml:"longitude" range:"-180..180"`
	TimeZone  string  `toml:"time_zone"` // IANA name; empty = the machine's
}

// Known says whether the coordinates were given.
func (p Place) Known() bool { return p.Latitude != 0 || p.Longitude != 0 }

// Schedule arms and disarms by time; empty = no schedule.
type Schedule struct {
	Armed []Span `toml:"armed"`
}

// Span is a part of the day in which the camera is armed; past midnight where
// To is before From.
type Span struct {
	Days []string  `toml:"days" one:"mon,tue,wed,thu,fri,sat,sun"` // on which it begins; empty = all
	From TimeOfDay `toml:"from"`
	To   TimeOfDay `toml:"to"`
}

// Profiles change settings between day and night.
type Profiles struct {
	By          string   `toml:"by" one:"off,sun,brightness"`
	DarkBelow   float64  `toml:"dark_below" range:"0..1"`
	BrightAbove float64  `toml:"bright_above" range:"0..1"`
	Hold        Duration `toml:"hold" range:"0s..1h"`
	Day         Profile  `toml:"day"`
	Night       Profile  `toml:"night"`
}

// Profile is what differs by day or by night.
type Profile struct {
	Sensitivity int      `toml:"sensitivity" range:"0..100"` // 0 = as in [motion]
	Quality     int      `toml:"quality" range:"0..100"`     // 0 = as in [picture]
	CameraArgs  []string `toml:"camera_args"`
}

// Lamp is a GPIO output for an infrared lamp or a status LED.
type Lamp struct {
	Mode      string `toml:"mode" one:"off,night,event,status"`
	Chip      string `toml:"chip"`
	Line      int    `toml:"line" range:"0..511"`
	ActiveLow bool   `toml:"active_low"`
}

// HomeAssistant announces the camera there.
type HomeAssistant struct {
	Discovery bool   `toml:"discovery"`
	Prefix    string `toml:"prefix"`
	Area      string `toml:"area"`
	PageURL   string `toml:"page_url"`
}

// View serves the page.
type View struct {
	Listen       string `toml:"listen"`        // empty = off
	PasswordFile string `toml:"password_file"` // empty = systemd's credential: see ViewPassword
	CertFile     string `toml:"cert_file"`
	KeyFile      string `toml:"key_file"`
}

// Metrics serves numbers for Prometheus, health checks, and profiles of the program.
type Metrics struct {
	Listen string `toml:"listen"` // empty = off; loopback only
	PProf  string `toml:"pprof"`  // path of a unix socket; empty = off
}

// Log is what goes to the journal.
type Log struct {
	Level  string `toml:"level" one:"debug,info,warn,error"`
	Format string `toml:"format" one:"auto,journal,text,json"`
}

// State returns the directory for what must outlive a restart: as configured,
// else systemd's ($STATE_DIRECTORY), else /var/lib/pirwatch.
func (c *Config) State() string {
	if c.StateDir != "" {
		return c.StateDir
	}
	if dir := os.Getenv("STATE_DIRECTORY"); dir != "" {
		return dir
	}
	return "/var/lib/pirwatch"
}

// QueueDir returns where the queue keeps what the broker has not acknowledged.
func (c *Config) QueueDir() string {
	if c.Queue.Dir != "" {
		return c.Queue.Dir
	}
	return filepath.Join(c.State(), "queue")
}

// ArchiveDir returns where the archive is.
func (c *Config) ArchiveDir() string {
	if c.Archive.Dir != "" {
		return c.Archive.Dir
	}
	return filepath.Join(c.State(), "archive")
}

// Default returns the configuration of an empty file.
func Default() *Config {
	return &Config{
		Broker: Broker{
			Profile: "mosquitto", KeepAlive: 15 * second, ConnectTimeout: 15 * second, WriteTimeout: 20 * second,
		},
		Topics: Topics{Base: "pirwatch"},
		Wire:   Wire{Profile: "standard", ChunkSize: 3000, Envelope: "auto"},
		Camera: Camera{
			Driver: "auto", Width: 1280, Height: 720, FPS: 10, DetectorFPS: 5,
			StartWithin: 20 * second, StallAfter: 10 * second, FrozenAfter: 5 * minute, RetryFirst: second, RetryLongest: minute,
			RPiCam: RPiCam{
				Mode: "video", Quality: 80, Exposure: "normal", Metering: "centre", AWB: "auto",
				Denoise: "auto", Settle: second,
			},
			V4L2:   V4L2{Format: "auto", Gain: -1, Focus: -1, PowerLine: "camera"},
			NetCam: NetCam{Timeout: 10 * second},
			Clip:   Clip{Loop: true},
			Scene:  Scene{VisitorEvery: 20 * second, DayLength: 10 * minute, Wind: 1, Seed: 1},
		},
		Burst: Burst{
			Frames: 5, Interval: second / 2, Every: second,
			PreRoll: 2 * second, PreRollFrames: 3, MostPictures: 60, Ring: 16 * megabyte,
		},
		Picture: Picture{Quality: 85, Overlay: Overlay{Position: "bottom-left"}},
		Sensor: Sensor{
			Driver: "gpiocdev", Line: 17, Pull: "down", Debounce: 50 * second / 1000,
			WarmUp: 60 * second, StuckAfter: 15 * minute, Chatter: 30,
		},
		Motion: Motion{
			Armed: true, Trigger: "either", HoldOff: 10 * second, BothWindow: 5 * second,
			LongestEvent: 60 * second, Cooldown: 10 * second, CooldownMax: 5 * minute, Quiet: 10 * minute,
			Sensitivity: 50,
		},
		Queue: Queue{
			RAM: 16 * megabyte, Disk: 256 * megabyte, Spool: "on_failure", Deadline: 2 * second, Recent: 4 * megabyte,
		},
		Pace: Pace{PiecesPerSecond: 200, Burst: 500, Window: 32},
		Backoff: Backoff{
			First: second, Longest: 5 * minute, Factor: 2, StableAfter: 60 * second, Refused: 5 * minute,
		},
		Archive:       Archive{On: true, MaxBytes: 256 * megabyte, MinFree: 200 * megabyte},
		Health:        Health{Interval: 60 * second},
		Profiles:      Profiles{By: "off", DarkBelow: 0.15, BrightAbove: 0.25, Hold: 2 * minute},
		Lamp:          Lamp{Mode: "off", Line: 27},
		HomeAssistant: HomeAssistant{Discovery: true, Prefix: "homeassistant"},
		Log:           Log{Level: "info", Format: "auto"},
	}
}

const (
	second   = Duration(1e9)
	minute   = 60 * second
	megabyte = Size(1e6)
)
