/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening a terminal in a file system whose names the tenant controls: what is opened is checked, not believed. */
#include "pty.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "base/str.h"
#include "modes.h"

#define TTY_GID 5 /* group tty, as devpts is mounted */

static int open_master(struct err *e)
{
	static const char *const names[] = { "/dev/pts/ptmx", "/dev/ptmx" };
	struct stat st;

	for (size_t i = 0; i < 2; i++) {
		int fd = open(names[i], O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);

		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0)
			return err_sys(e, "open terminal '%s'", names[i]);
		if (fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(5, 2))
			return fd;
		close(fd);
	}
	return err_set(e, ENODEV, "open terminal '/dev/pts/ptmx': not there (is devpts mounted?)");
}

int pty_open(const struct account *a, const struct init_spawn *s, struct pty *p, struct err *e)
{
	struct winsize ws = { (unsigned short)s->rows, (unsigned short)s->cols,
			      (unsigned short)s->xpixel, (unsigned short)s->ypixel };
	auto_fd int master = open_master(e), slave = -1;
	struct termios t;
	int unlock = 0;

	if (master < 0)
		return master;
	if (fd_nonblock(master, 0) < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0 ||
	    ioctl(master, TIOCGPTN, &p->number) < 0)
		return err_sys(e, "open terminal '/dev/pts/ptmx'");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || fchown(slave, a->uid, TTY_GID) < 0 || fchmod(slave, 0620) < 0 ||
	    tcgetattr(slave, &t) < 0)
		return err_sys(e, "open terminal '/dev/pts/%u'", p->number);
	modes_apply(s->modes.data, s->modes.len, &t);
	if (tcsetattr(slave, TCSANOW, &t) < 0 || ioctl(slave, TIOCSWINSZ, &ws) < 0 ||
	    ioctl(slave, TIOCSCTTY, 0) < 0)
		return err_sys(e, "set up terminal '/dev/pts/%u'", p->number);
	str_format(p->name, sizeof(p->name), "/dev/pts/%u", p->number);
	p->master = fd_take(&master);
	p->slave = fd_take(&slave);
	return 0;
}
