import { describeChecks } from './checks'

describeChecks('training, in a real kernel', 'training.py')
