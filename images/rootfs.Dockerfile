# The same base where no registry is at hand: Debian's own packages, no shell, no package manager.
# `cargo xtask setup` makes rootfs.tar (see tests/node/src/setup/base.rs).
FROM scratch
ADD rootfs.tar /
