"""The workshop's judge: how good and how fast a model is, as the daemon would serve it.

    streamd eval MODEL... --data DIR                      against labels
    streamd eval MODEL... --reference MODEL --video FILE  against another model, where there are no labels

served.py     a model run as the daemon runs it: its own preprocess, backend and head
dataset.py    pictures with their truth; coco.py, yolo.py and folders.py read the three layouts
detect.py     COCO's mean average precision       classify.py   Top-1 and Top-5
agreement.py  how far two models find the same    latency.py    median and p95, models in turn
evaluate.py   the two commands above, as rows     table.py      rows as text, Markdown and JSON
draw.py       pictures with truth and findings

Mean average precision is measured with every detection from a confidence of 0.001 on, an IoU of 0.7 in NMS, and at
most 300 of them a picture, of which COCO's definition reads the best 100.
"""
