/* labels.c: whose a key in the token is. The label of a run's own key has the run's mark in it; a
 * key without is for every run that keeps its keys.
 *
 *   holdfast-bench [PLACE.PID ]WHAT
 *
 * PLACE, 8 hex digits, stands for the machine's name and its name space of process ids, since runs
 * of several machines or containers may share a token. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "secret.h"

#define PLACE_PREFIX (sizeof(BENCH_LABEL) - 1 + 9) /* BENCH_LABEL, PLACE and the full stop */
#define LEFT_AT_ONCE 4096

static uint32_t place(void)
{
	char name[HOST_NAME_MAX + 1] = "";
	struct stat st = { 0 };
	uint32_t h;

	(void)gethostname(name, sizeof(name) - 1);
	(void)stat("/proc/self/ns/pid", &st);
	h = (uint32_t)st.st_ino;
	for (const char *c = name; *c != '\0'; c++)
		h = (h ^ (uint8_t)*c) * 16777619u; /* FNV-1a */
	return h;
}

void bench_label(const struct bench *b, const char *what, char ret[BENCH_LABEL_MAX])
{
	(void)snprintf(ret, BENCH_LABEL_MAX, BENCH_LABEL "%s%s", b->mark, what);
}

/* has_ended is true of a process, too, that its parent has not waited for. */
static bool has_ended(pid_t pid)
{
	struct pollfd p = { .fd = pidfd_open(pid, 0), .events = POLLIN };
	bool ended;

	if (p.fd < 0)
		return errno == ESRCH;
	ended = poll(&p, 1, 0) > 0;
	(void)close(p.fd);
	return ended;
}

/* is_left: made by a run of this place whose process is gone, or had the number that is ours now. */
static bool is_left(const char *own, const char *label)
{
	char *end;
	long pid;

	if (strncmp(own, label, PLACE_PREFIX) != 0)
		return false;
	pid = strtol(label + PLACE_PREFIX, &end, 10);
	return *end == ' ' && pid > 0 && pid <= INT_MAX &&
	       (pid == getpid() || has_ended((pid_t)pid));
}

static bool is_left_object(struct bench *b, const char *own, CK_OBJECT_HANDLE h)
{
	char label[BENCH_LABEL_MAX] = "";
	CK_ATTRIBUTE a = { CKA_LABEL, label, sizeof(label) - 1 };

	if (b->p11->C_GetAttributeValue(b->session, h, &a, 1) != CKR_OK || a.ulValueLen >= sizeof(label))
		return false;
	label[a.ulValueLen] = '\0';
	return is_left(own, label);
}

/* find_left lists the first max of them. */
static CK_ULONG find_left(struct bench *b, CK_OBJECT_HANDLE *ret, CK_ULONG max)
{
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE t = { CKA_TOKEN, &yes, sizeof(yes) };
	CK_OBJECT_HANDLE some[64];
	CK_ULONG n = 0, found = 0;
	char own[BENCH_LABEL_MAX];

	bench_label(b, "", own);
	if (!said(b->p11->C_FindObjectsInit(b->session, &t, 1), "C_FindObjectsInit"))
		return 0;
	do {
		if (b->p11->C_FindObjects(b->session, some, 64, &n) != CKR_OK)
			n = 0;
		for (CK_ULONG i = 0; i < n && found < max; i++)
			if (is_left_object(b, own, some[i]))
				ret[found++] = some[i];
	} while (n > 0 && found < max);
	(void)b->p11->C_FindObjectsFinal(b->session);
	return found;
}

void bench_own(struct bench *b)
{
	CK_OBJECT_HANDLE *left = hf_alloc(LEFT_AT_ONCE, sizeof(*left));
	CK_ULONG n, gone = 1;

	(void)snprintf(b->mark, sizeof(b->mark), "%08x.%ld ", place(), (long)getpid());
	while (left != NULL && gone > 0 && !stop_asked()) {
		n = find_left(b, left, LEFT_AT_ONCE);
		gone = 0;
		for (CK_ULONG i = 0; i < n; i++)
			gone += b->p11->C_DestroyObject(b->session, left[i]) == CKR_OK;
	}
	hf_free(left);
}
