# The image of Moat: both programs, static, and nothing else.
#
#   buildah bud -t moat .        (or docker build)
#
# The tests build it from this same file. Where no registry can be reached, any image with the pinned Rust toolchain
# and a C compiler serves as BUILDER.
ARG BUILDER=docker.io/library/rust:1.95-bookworm

FROM ${BUILDER} AS build
# `quick` is built in a fraction of the time and is nearly as fast.
ARG PROFILE=release
# A target that is named keeps the flags below away from build scripts and procedural macros, which cannot be static.
ARG TARGET=x86_64-unknown-linux-gnu
WORKDIR /moat
COPY . .
# The names of functions stay, for backtraces; the rest of what debuggers want is larger than the programs.
RUN RUSTFLAGS="-C target-feature=+crt-static" \
        cargo build --locked --profile "$PROFILE" --target "$TARGET" -p moat-operator -p moat-broker \
    && mkdir /image \
    && for program in moat-operator moat-broker; do \
        strip --strip-debug -o "/image/$program" "${CARGO_TARGET_DIR:-target}/$TARGET/$PROFILE/$program" || exit 1; \
    done

FROM scratch
COPY --from=build /image/ /
USER 65532:65532
# Which of the two is run is said by whoever runs it: charts/moat for the operator, the operator for the brokers.
