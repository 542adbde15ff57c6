#include "stop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static const int caught[] = { SIGINT, SIGTERM, SIGHUP };
static atomic_int came; /* the signal */
static int wake = -1;   /* has something to read from then on */

static void note(int signal)
{
	const uint64_t one = 1;
	int kept = errno;

	atomic_store(&came, signal);
	(void)!write(wake, &one, sizeof(one));
	errno = kept;
}

bool stop_catch(void)
{
	struct sigaction old, now = { .sa_handler = note, .sa_flags = (int)(SA_RESTART | SA_RESETHAND) };

	wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake < 0) {
		fprintf(stderr, "holdfast: bench: eventfd: %s\n", strerror(errno));
		return false;
	}
	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		if (sigaction(caught[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			(void)sigaction(caught[i], &now, NULL);
	return true;
}

bool stop_asked(void)
{
	return atomic_load(&came) != 0;
}

void stop_wait(int fd, double seconds)
{
	struct pollfd p[] = { { .fd = wake, .events = POLLIN }, { .fd = fd, .events = POLLIN } };
	struct timespec t = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };

	/* Interrupted by another signal it would be too short; that one's handler is not ours. */
	(void)ppoll(p, 2, seconds < 0 ? NULL : &t, NULL);
}

void stop_follow(void)
{
	if (!stop_asked())
		return;
	(void)fflush(NULL);
	(void)raise(atomic_load(&came));
}
