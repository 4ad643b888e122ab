#!/bin/sh
# What `faas-lab-face fetch-models` does, for where that program cannot run, such as the build of an image for another
# processor: installs the pinned package with npm, checks the files, keeps them and their licence. Usage: fetch-models.sh FOLDER
set -eu
folder=${1:?usage: fetch-models.sh FOLDER}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
npm install --ignore-scripts --no-audit --no-fund --no-save --prefix "$scratch" @vladmandic/face-api@1.7.15 >/dev/null
package=$scratch/node_modules/@vladmandic/face-api
(cd "$package/model" && sha256sum --check --quiet) <<'SUMS'
5d1af4849ac48d5b985f4a9b16010c512353ddd6fcc63d50fd0bc9e9e64296e5  tiny_face_detector_model-weights_manifest.json
b7503ce7df31039b1c43316a9b865cab6a70dd748cc602d3fa28b551503c3871  tiny_face_detector_model.bin
888f744dffbc84f5f060d1f8427d9742341943a2dfaaf9205d10029b7e7a2955  ssd_mobilenetv1_model-weights_manifest.json
2835640602d53718aa6ae9a42896327eaa21beefed056c218d32ca7d79e1e2f8  ssd_mobilenetv1_model.bin
ca4886639f86e99b39fed0c155f81b63317225773bd9616716e887b0153389c9  face_landmark_68_model-weights_manifest.json
4611ef65c87d836d03d684b30eec4d195d8b219fa1dd58fc58945831c6b9299b  face_landmark_68_model.bin
cbaffa501b0b9275a12b63357a6843e7e30c054e1c9151e1a5f879b26e32986b  face_recognition_model-weights_manifest.json
b413e420d6840b2775fba32008db6f3cddb07d485967fb42cfcf379c16a8c589  face_recognition_model.bin
SUMS
mkdir -p "$folder"
for network in tiny_face_detector ssd_mobilenetv1 face_landmark_68 face_recognition; do
    cp "$package/model/${network}_model"* "$folder"
done
cp "$package/LICENSE" "$folder"
