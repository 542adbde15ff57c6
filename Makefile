# A thin face on Meson. Every target does its own set-up.
#
#   make            build into build/
#   make demo       see an HSM do its job
#   make check      build and run the tests (SAN=1: unit and in-process tests
#                   under AddressSanitizer and UBSan; SUITE=unit: one suite)
#   make bench      compare with SoftHSM and raw OpenSSL (ARGS="--all --rounds 5")
#   make install    meson install; DESTDIR and PREFIX are honoured

B ?= build
PREFIX ?= /usr/local
MESON_FLAGS ?=

.PHONY: all setup demo check bench install clean

all: $(B)/build.ninja
	@ninja -C $(B)

setup:
	@tools/setup build

$(B)/build.ninja: | setup
	@tools/configure $(B) --prefix=$(PREFIX) $(MESON_FLAGS)

demo: all
	@tools/setup demo
	@BUILD=$(B) examples/demo.sh

ifeq ($(SAN),1)
check:
	@tools/setup build
	@test -e build-san/build.ninja || tools/configure build-san \
		-Db_sanitize=address,undefined -Db_lundef=false -Dwerror=false
	@ninja -C build-san
	@tools/run-tests build-san --suite unit --suite wire --suite inprocess
else
check: all
	@tools/setup check
	@tools/run-tests $(B) $(if $(SUITE),--suite $(SUITE))
endif

bench: all
	@tools/setup check
	@tests/bench/run.py --build $(B) $(ARGS)

install: all
	@meson install -C $(B) --no-rebuild

clean:
	rm -rf $(B) build-san
