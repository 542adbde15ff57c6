#include "integrity.h"

#include <link.h>
#include <string.h>

#include "crypto.h"

/* The slot: filled in by tools/seal-executable.py. Read through a volatile pointer,
 * so that what counts is what lies there and not what stands here. */
__attribute__((used, aligned(32), section(".rodata.hf_integrity")))
static const uint8_t hf_integrity_slot[32] = "HOLDFAST-INTEGRITY-SLOT-v1";

struct found {
	struct buf all; /* bytes in the order of the program headers, the slot's segment last */
	struct slice home;
	bool have_home;
};

static bool holds_slot(const uint8_t *p, size_t n)
{
	uintptr_t slot = (uintptr_t)hf_integrity_slot;

	return slot >= (uintptr_t)p && slot - (uintptr_t)p < n;
}

/* The first object that dl_iterate_phdr names is the program itself. */
static int visit(struct dl_phdr_info *info, size_t size, void *ctx)
{
	struct found *f = ctx;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		const uint8_t *p = (const uint8_t *)(uintptr_t)(info->dlpi_addr + ph->p_vaddr);

		if (ph->p_type != PT_LOAD)
			continue;
		if (ph->p_flags & PF_X)
			buf_raw(&f->all, (struct slice){ p, ph->p_filesz });
		if (holds_slot(p, ph->p_filesz)) {
			f->home = (struct slice){ p, ph->p_filesz };
			f->have_home = true;
		}
	}
	return 1;
}

enum integrity integrity_check(void)
{
	struct found f = { .all = BUF_MAX(256u << 20) };
	uint8_t slot[32], is[CRYPTO_HASH];
	enum integrity result = INTEGRITY_WRONG;
	size_t at;
	const volatile uint8_t *there = hf_integrity_slot;

	for (size_t i = 0; i < sizeof(slot); i++)
		slot[i] = there[i];
	if (memcmp(slot, "HOLDFAST-INTEGRITY-SLOT", 23) == 0)
		return INTEGRITY_UNSEALED;
	dl_iterate_phdr(visit, &f);
	if (f.have_home) {
		at = f.all.n + (size_t)((uintptr_t)hf_integrity_slot - (uintptr_t)f.home.p);
		buf_raw(&f.all, f.home);
		if (buf_err(&f.all) == HF_OK) {
			memset(f.all.p + at, 0, sizeof(slot));
			if (crypto_sha256(buf_slice(&f.all), is) == HF_OK &&
			    memcmp(is, slot, sizeof(is)) == 0)
				result = INTEGRITY_GOOD;
		}
	}
	buf_done(&f.all);
	return result;
}
