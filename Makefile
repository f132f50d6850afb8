# What a developer runs. "make" alone lists it.

.PHONY: help build test race lint web deb deb-check lab sizes clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' Makefile | expand -t 18

build: ## build pirwatch for this machine
	test/tools/compile pirwatch

test: ## run the tests that need nothing but Go
	go test ./...

race: ## the same with the race detector
	go test -race ./...

lint: ## format, vet and staticcheck
	go vet ./...
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 -tags peers ./...

web: ## take the page's MQTT.js anew from npm, as its lock file has it
	receive/view/web/vendor/update

deb: ## build the Debian packages for arm64, armhf and amd64 into dist/
	systemd/deb/build

deb-check: deb ## lintian over the packages, and that they come out the same twice
	test/tools/check-deb

lab: ## the package on real systems, drivers in a virtual machine, a Pi 3 (root, minutes)
	go test -tags lab -count=1 -timeout 60m -parallel 5 -v ./test/lab

sizes: ## build for every Pi as it is shipped and print the sizes
	@mkdir -p dist; for t in amd64/ arm64/ arm/6; do \
		GOOS=linux GOARCH=$${t%/*} GOARM=$${t#*/} test/tools/compile dist/size && \
		printf '%-8s %s bytes\n' "$$t" "$$(stat -c %s dist/size)"; rm -f dist/size; done

clean: ## remove what was built
	rm -rf dist pirwatch
