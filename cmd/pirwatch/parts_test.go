package main

import (
	"reflect"
	"testing"
	"time"

	"pirwatch/configs"
	"pirwatch/motion/frames"
)

// A 0 in the file is none where the part would take it for its default, and the
// archive's default is the archive's to make smaller.
func TestZeroIsNone(t *testing.T) {
	config := configs.Default()
	if o := archiveOptions(config); o.MaxBytes != 0 || o.MinFree != 200_000_000 {
		t.Errorf("by default %+v", o)
	}
	config.Archive.MaxBytes, config.Archive.MinFree = 1_000_000, 0
	if o := archiveOptions(config); o.MaxBytes != 1_000_000 || o.MinFree >= 0 {
		t.Errorf("with a bound of its own %+v", o)
	}
	config.Burst.PreRollFrames, config.Burst.Interval, config.Burst.Every = 0, 0, 0
	if o := burstOptions(config); o.PreFrames >= 0 || o.Interval >= 0 || o.Every < time.Hour {
		t.Errorf("the burst: %+v", o)
	}
}

// Every constant of the detector has its key, which is 0 as long as the owner
// leaves it to the detector.
func TestDetectorConstants(t *testing.T) {
	settings := configured(configs.Default())
	if got := detectorOptions(configs.Default(), settings.Sensitivity, settings.Masks).Fine; got != frames.Defaults().Fine {
		t.Errorf("a configuration that sets none changes %+v", got)
	}
	fields := reflect.TypeFor[frames.Fine]()
	for i := range fields.NumField() {
		name := fields.Field(i).Name
		config := configs.Default()
		key := reflect.ValueOf(&config.Detector).Elem().FieldByName(name)
		if !key.IsValid() {
			t.Errorf("no key for %s", name)
			continue
		}
		if key.Kind() == reflect.Float64 {
			key.SetFloat(7)
		} else {
			key.SetInt(7)
		}
		fine := detectorOptions(config, settings.Sensitivity, settings.Masks).Fine
		got := reflect.ValueOf(fine).FieldByName(name)
		if got.CanFloat() && got.Float() != 7 || got.CanInt() && got.Int() != 7 {
			t.Errorf("the key for %s has no effect", name)
		}
	}
}
