# SPDX-License-Identifier: LGPL-2.1-or-later
# A kernel's part in binding drivers, on a tree of files that stands for sysfs: a veth end plays the interface of a PCI function.
# With its driver `fakenic` the interface is there, under the kernel's name eth7 and with nothing set; at vfio-pci, or without
# a driver, it is gone (into a namespace of its own).  A driver that is named in SYS/refuse takes nothing.
# usage: fakepci.py SYS PCI NAME, in the network namespace; ends with its parent, or when SYS goes.
import os, re, subprocess, sys, time

SYS, PCI, NAME = sys.argv[1:4]
DEVICE = f"{SYS}/bus/pci/devices/{PCI}"
parent = os.getppid()
away = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])


def sh(*words):
    subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def out(*words):
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout




MAC = out("ip", "-o", "link", "show", NAME).split("link/ether ")[1].split()[0]


def written(path):
    try:
        with open(path) as f:
            text = f.read()
        if not text.endswith("\n"):
            return ""
        os.truncate(path, 0)
        return text.strip()
    except OSError:
        return ""


def driver():
    try:
        return os.path.basename(os.readlink(f"{DEVICE}/driver"))
    except OSError:
        return ""


def here():
    """Name and number of the interface in this namespace."""
    for line in out("ip", "-o", "link").splitlines():
        m = re.match(r"(\d+): ([^:@]+)", line)
        if m and f"link/ether {MAC}" in line:
            return m.group(2), m.group(1)
    return None


def net_classes():
    return [n for n in os.listdir(f"{SYS}/class/net")]


def show_class():
    """SYS/class/net as the kernel would show it."""
    at = here()
    want = {at[0]: at[1]} if at else {}
    for name in net_classes():
        path = f"{SYS}/class/net/{name}"
        if name not in want or open(f"{path}/ifindex").read().strip() != want[name]:
            os.rename(path, f"{SYS}/.gone")
            subprocess.run(["rm", "-rf", f"{SYS}/.gone"])
    for name, index in want.items():
        path = f"{SYS}/class/net/{name}"
        if not os.path.exists(path):
            os.makedirs(f"{SYS}/.new")
            with open(f"{SYS}/.new/ifindex", "w") as f:
                f.write(index + "\n")
            os.symlink(f"../../../bus/pci/devices/{PCI}", f"{SYS}/.new/device")
            os.rename(f"{SYS}/.new", path)


def vanish():
    at = here()
    if at:
        sh("ip", "link", "set", at[0], "netns", str(away.pid))
    show_class()


def appear():
    inside = ["nsenter", "--target", str(away.pid), "--net", "--"]
    line = out(*inside, "ip", "-o", "link", "show", "type", "veth")
    if not line:
        return
    name = line.split(": ")[1].split("@")[0]
    for alt in re.findall(r"altname (\S+)", line):
        sh(*inside, "ip", "link", "property", "del", "dev", name, "altname", alt)
    sh(*inside, "ip", "link", "set", name, "down")
    sh(*inside, "ip", "link", "set", name, "mtu", "1500", "alias", "", "txqueuelen", "1000", "promisc", "off")
    sh(*inside, "ip", "link", "set", name, "name", "eth7", "netns", str(os.getpid()))
    show_class()


def probe():
    override = open(f"{DEVICE}/driver_override").readline().strip()
    name = override if override not in ("", "(null)") else "fakenic"
    refused = open(f"{SYS}/refuse").read().split() if os.path.exists(f"{SYS}/refuse") else []
    if driver() or name in refused:
        return
    if name == "fakenic":
        appear()
    os.symlink(f"../../drivers/{name}", f"{DEVICE}/driver")


show_class()
try:
    while os.path.isdir(DEVICE) and os.getppid() == parent:
        for d in ("fakenic", "vfio-pci"):
            if written(f"{SYS}/bus/pci/drivers/{d}/unbind") == PCI and driver() == d:
                if d == "fakenic":
                    vanish()
                os.unlink(f"{DEVICE}/driver")
        if written(f"{SYS}/bus/pci/drivers_probe") == PCI:
            probe()
        if driver() == "fakenic":
            show_class()
        time.sleep(0.005)
finally:
    away.kill()
