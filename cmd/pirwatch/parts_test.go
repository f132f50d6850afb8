package main

import (
	"reflect"
	"testing"

	"pirwatch/configs"
	"pirwatch/motion/frames"
)

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
